//! What `iptables-save` prints: its lines, and what there is of a kube-proxy's among them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::chain::ChainId;
use super::hash::{ChainDigest, RuleHash};
use super::layout::{JUMPS, Jump, Shared, is_upstreams, is_userspace};
use super::{IptablesError, Save, Table, Tool, is_aside};

/// A line that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// There is a chain of that name.
    Chain { name: &'a str, of_the_system: bool },
    /// A rule, and the chain that it stands in.
    Rule { chain: &'a str, words: &'a str },
}

impl<'a> Line<'a> {
    pub fn parse(line: &'a str) -> Option<Self> {
        if let Some(declared) = line.strip_prefix(':') {
            let (name, rest) = declared.split_once(' ')?;
            return Some(Self::Chain { name, of_the_system: !rest.starts_with('-') });
        }
        let (chain, words) = line.strip_prefix("-A ").map(|rule| rule.split_once(' ').unwrap_or((rule, "")))?;
        Some(Self::Rule { chain, words })
    }
}

/// The words of a rule; one in quotation marks is one word, and keeps them.
pub fn words(rule: &str) -> impl Iterator<Item = &str> {
    let mut rest = rule;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(' ');
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = !quoted,
                b' ' => return !quoted,
                _ => {}
            }
            false
        });
        let (word, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Whether every packet is masqueraded that comes to this rule, so that none comes to the next one.
fn masquerades_all(rule: &str) -> bool {
    let mut words = words(rule).filter(|&word| word != "--random-fully");
    let mut left = words.next();
    if left == Some("-m") && words.next() == Some("comment") && words.next() == Some("--comment") {
        left = words.nth(1);
    }
    left == Some("-j") && words.next() == Some("MASQUERADE") && words.next().is_none()
}

/// The chain or target that a rule leads to.
pub fn target(rule: &str) -> Option<&str> {
    let mut words = words(rule);
    words.find(|&word| word == "-j" || word == "-g")?;
    words.next()
}

/// What was found of a kube-proxy's rules.
#[derive(Debug, Default)]
pub struct Found {
    /// Chains of Service ports and endpoints, with the hashes of their rules.
    pub chains: HashMap<ChainId, ChainDigest>,
    pub shared: HashMap<Shared, ChainDigest>,
    /// Rules of the system's chains that lead to chains of a kube-proxy.
    pub leads: Vec<Lead>,
    /// Chains that no kube-proxy should have, or none in this mode, and how many rules they have.
    pub stale: BTreeMap<(Table, String), u32>,
    /// Chains of a kube-proxy's that rules in somebody else's chains lead to: as long as these are there, they can be emptied, and not removed.
    held: HashSet<(Table, String)>,
    /// Somebody's rule keeps others from 127.0.0.0/8.
    pub guards_loopback: bool,
}

/// A rule of a chain of the system's that leads to a kube-proxy's.
#[derive(Debug)]
pub struct Lead {
    pub table: Table,
    /// Which of [`JUMPS`] it is; `None` where nobody should have it, or not twice.
    pub jump: Option<usize>,
    /// The name of the chain that it stands in, and its words.
    pub rule: String,
}

impl Found {
    pub fn read(tool: &Tool) -> Result<Self, IptablesError> {
        Self::read_by(&mut |table, line| tool.save(table, line))
    }

    pub fn read_by(save: &mut Save<'_>) -> Result<Self, IptablesError> {
        let mut found = Self::default();
        for table in Table::ALL {
            let mut reader = Reader::new(&mut found, table);
            save(table, &mut |line| reader.line(line))?;
            reader.end_chain();
        }
        Ok(found)
    }

    /// The same, of a text that has every table.
    pub fn of_text(text: &str) -> Self {
        let mut found = Self::default();
        for table in Table::ALL {
            let mut reader = Reader::new(&mut found, table);
            let from = text.lines().skip_while(|line| line.strip_prefix('*') != Some(table.as_str())).skip(1);
            from.take_while(|line| !line.starts_with('*')).for_each(|line| reader.line(line));
            reader.end_chain();
        }
        found
    }

    /// Whether others lead to that chain.
    pub fn is_held(&self, table: Table, chain: &str) -> bool {
        !self.held.is_empty() && self.held.contains(&(table, chain.to_owned()))
    }

    /// Whether nothing is left to be done about a chain that is not desired and has so many rules.
    pub fn can_stay(&self, table: Table, chain: &str, rules: u32) -> bool {
        rules == 0 && self.is_held(table, chain)
    }

    /// The same of a chain of a Service port or an endpoint.
    pub fn can_stay_own(&self, chain: ChainId, digest: ChainDigest) -> bool {
        digest.rules == 0 && self.can_stay(Table::Nat, &chain.to_string(), 0)
    }

    /// Whether the jump of that index in [`JUMPS`] is there.
    pub fn has_jump(&self, index: usize) -> bool {
        self.leads.iter().any(|lead| lead.jump == Some(index))
    }
}

/// Whose the chain is that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Own(ChainId),
    Shared(Shared),
    Other,
}

struct Reader<'a> {
    found: &'a mut Found,
    table: Table,
    current: Slot,
    name: String,
    hash: RuleHash,
    /// No packet comes to what is left of the chain.
    ended: bool,
}

impl<'a> Reader<'a> {
    fn new(found: &'a mut Found, table: Table) -> Self {
        Self { found, table, current: Slot::Other, name: String::new(), hash: RuleHash::default(), ended: false }
    }

    fn line(&mut self, line: &str) {
        match Line::parse(line) {
            Some(Line::Chain { name, of_the_system: false }) => self.declare(name),
            Some(Line::Rule { chain, words }) => {
                if chain != self.name {
                    self.end_chain();
                    self.begin_chain(chain);
                }
                match self.current {
                    // Kubelet of 1.12 appends a rule of its own to ours, each minute in which it is not there.
                    Slot::Shared(Shared::Postrouting) if self.ended => {}
                    Slot::Own(_) | Slot::Shared(_) => {
                        self.hash.add(line);
                        self.ended = masquerades_all(words);
                    }
                    Slot::Other => {
                        self.found.guards_loopback |= guards_loopback(words);
                        if let Some(rules) = self.found.stale.get_mut(&(self.table, chain.to_owned())) {
                            *rules += 1;
                        } else if SYSTEM.contains(&chain) {
                            self.lead(chain, words);
                        } else {
                            self.hold(words);
                        }
                    }
                }
            }
            Some(Line::Chain { of_the_system: true, .. }) | None => {}
        }
    }

    fn declare(&mut self, name: &str) {
        match self.slot(name) {
            Slot::Own(id) => _ = self.found.chains.insert(id, RuleHash::of_nothing()),
            Slot::Shared(chain) => _ = self.found.shared.insert(chain, RuleHash::of_nothing()),
            Slot::Other if is_stale(self.table, name) => _ = self.found.stale.insert((self.table, name.to_owned()), 0),
            Slot::Other => {}
        }
    }

    fn slot(&self, name: &str) -> Slot {
        if let Some(chain) = Shared::find(self.table, name) {
            return Slot::Shared(chain);
        }
        match ChainId::parse(name) {
            Some(id) if self.table == Table::Nat => Slot::Own(id),
            _ => Slot::Other,
        }
    }

    fn begin_chain(&mut self, name: &str) {
        self.current = self.slot(name);
        name.clone_into(&mut self.name);
        (self.hash, self.ended) = (RuleHash::default(), false);
    }

    fn end_chain(&mut self) {
        match std::mem::replace(&mut self.current, Slot::Other) {
            Slot::Own(id) => _ = self.found.chains.insert(id, self.hash.finish()),
            Slot::Shared(chain) => _ = self.found.shared.insert(chain, self.hash.finish()),
            Slot::Other => {}
        }
    }

    /// A rule of somebody's chain.
    fn hold(&mut self, words: &str) {
        let ours = |target: &&str| Shared::find(self.table, target).is_some() || is_stale(self.table, target);
        if let Some(target) = target(words).filter(ours) {
            self.found.held.insert((self.table, target.to_owned()));
        }
    }

    /// A rule of a chain of the system's.
    fn lead(&mut self, chain: &str, words: &str) {
        let Some(target) = target(words) else { return };
        let is = |jump: &Jump| {
            jump.from == chain && jump.to.table() == self.table && jump.to.name() == target && leads_all(jump, words)
        };
        let jump = JUMPS.iter().position(is).filter(|index| !self.found.has_jump(*index));
        if jump.is_some() || leads_to_ours(self.table, target) {
            self.found.leads.push(Lead { table: self.table, jump, rule: format!("{chain} {words}") });
        }
    }
}

/// Whether a rule drops what comes from elsewhere for 127.0.0.0/8.
pub fn guards_loopback(rule: &str) -> bool {
    const LOOPBACK: &str = "127.0.0.0/8";
    if !rule.contains(LOOPBACK) || target(rule) != Some("DROP") {
        return false;
    }
    let words: Vec<&str> = words(rule).collect();
    let has = |wanted: &[&str]| words.windows(wanted.len()).any(|some| some == wanted);
    has(&["-d", LOOPBACK])
        && !has(&["!", "-d", LOOPBACK])
        && (has(&["!", "-s", LOOPBACK]) || has(&["!", "-i", "lo"]))
        && !has(&["-p"])
}

/// Whether a rule leads to the jump's chain all that the jump does: it has no matches of its own.
fn leads_all(jump: &Jump, rule: &str) -> bool {
    let mut words = words(rule);
    while let Some(word) = words.next() {
        let known = match word {
            "-j" => return words.next().is_some() && words.next().is_none(),
            "-m" => match words.next() {
                Some("comment") => words.next() == Some("--comment") && words.next().is_some(),
                Some("conntrack") => jump.new_only && words.next() == Some("--ctstate") && words.next() == Some("NEW"),
                _ => false,
            },
            _ => false,
        };
        if !known {
            return false;
        }
    }
    false
}

/// The chains that the kernel itself leads packets to.
const SYSTEM: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

fn is_stale(table: Table, name: &str) -> bool {
    is_userspace(name) || is_upstreams(table, name) || is_aside(name) || ChainId::has_prefix(name)
}

fn leads_to_ours(table: Table, target: &str) -> bool {
    Shared::find(table, target).is_some_and(|chain| !chain.is_kubelets_too()) || is_stale(table, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_one_word_whatever_it_says() {
        let rule = r#"-m comment --comment "a -j \"b\" c" -j KUBE-SERVICES"#;
        assert_eq!(words(rule).count(), 6);
        assert_eq!(target(rule), Some("KUBE-SERVICES"));
    }

    #[test]
    fn a_rule_that_guards_loopback_is_kubelets_or_k8s_nodes() {
        for rule in [
            r#"! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"#,
            "-d 127.0.0.0/8 ! -i lo -j DROP",
        ] {
            assert!(guards_loopback(rule), "{rule}");
        }
        for rule in [
            "-m mark --mark 0x8000/0x8000 -j DROP",
            "-d 127.0.0.0/8 ! -i lo -j ACCEPT",
            "! -s 127.0.0.0/8 ! -d 127.0.0.0/8 -j DROP",
            "! -s 127.0.0.0/8 -d 127.0.0.0/8 -p udp -j DROP",
        ] {
            assert!(!guards_loopback(rule), "{rule}");
        }
    }

    #[test]
    fn what_is_no_rule_is_passed_over() {
        for line in ["", "#", "*nat", "COMMIT", ":", ":X", "-A"] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
        assert_eq!(target("-m comment --comment \"open"), None);
    }
}
