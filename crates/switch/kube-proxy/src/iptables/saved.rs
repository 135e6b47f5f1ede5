//! What `iptables-save` prints: its lines, and what there is of a kube-proxy's among them.

use std::collections::HashMap;

use super::chain::ChainId;
use super::hash::RuleHash;
use super::layout::{CANARY, JUMPS, Jump, Shared, is_userspace};
use super::{IptablesError, Table, Tool};

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
    pub chains: HashMap<ChainId, u64>,
    pub shared: HashMap<Shared, u64>,
    /// Rules of the system's chains that lead to chains of a kube-proxy.
    pub leads: Vec<Lead>,
    /// Chains that no kube-proxy should have, or none in this mode.
    pub stale: Vec<(Table, String)>,
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
        let mut found = Self::default();
        for table in Table::ALL {
            let mut reader = Reader::new(&mut found, table);
            tool.save(table, &mut |line| reader.line(line))?;
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
}

impl<'a> Reader<'a> {
    fn new(found: &'a mut Found, table: Table) -> Self {
        Self { found, table, current: Slot::Other, name: String::new(), hash: RuleHash::default() }
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
                    Slot::Own(_) | Slot::Shared(_) => self.hash.add(line),
                    Slot::Other => self.lead(chain, words),
                }
            }
            Some(Line::Chain { of_the_system: true, .. }) | None => {}
        }
    }

    fn declare(&mut self, name: &str) {
        match self.slot(name) {
            Slot::Own(id) => _ = self.found.chains.insert(id, RuleHash::of_nothing()),
            Slot::Shared(chain) => _ = self.found.shared.insert(chain, RuleHash::of_nothing()),
            Slot::Other if is_stale(name) => self.found.stale.push((self.table, name.to_owned())),
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
        self.hash = RuleHash::default();
    }

    fn end_chain(&mut self) {
        match std::mem::replace(&mut self.current, Slot::Other) {
            Slot::Own(id) => _ = self.found.chains.insert(id, self.hash.finish()),
            Slot::Shared(chain) => _ = self.found.shared.insert(chain, self.hash.finish()),
            Slot::Other => {}
        }
    }

    /// A rule of a chain that is not ours.
    fn lead(&mut self, chain: &str, words: &str) {
        let Some(target) = target(words).filter(|_| SYSTEM.contains(&chain)) else { return };
        let is = |jump: &Jump| jump.from == chain && jump.to.table() == self.table && jump.to.name() == target;
        let jump = JUMPS.iter().position(is).filter(|index| !self.found.has_jump(*index));
        if jump.is_some() || leads_to_ours(self.table, target) {
            self.found.leads.push(Lead { table: self.table, jump, rule: format!("{chain} {words}") });
        }
    }
}

/// The chains that the kernel itself leads packets to.
const SYSTEM: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

fn is_stale(name: &str) -> bool {
    is_userspace(name) || name == CANARY || ChainId::has_prefix(name)
}

fn leads_to_ours(table: Table, target: &str) -> bool {
    Shared::find(table, target).is_some_and(|chain| !chain.is_kubelets_too()) || is_stale(target)
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
    fn what_is_no_rule_is_passed_over() {
        for line in ["", "#", "*nat", "COMMIT", ":", ":X", "-A"] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
        assert_eq!(target("-m comment --comment \"open"), None);
    }
}
