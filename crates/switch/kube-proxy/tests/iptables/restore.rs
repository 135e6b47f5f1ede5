//! What `iptables-restore --noflush` makes of rules, as far as tests that have no kernel need it.

use std::collections::{BTreeMap, BTreeSet};

use kube_proxy::iptables::{Line, target};

const TABLES: [(&str, &[&str]); 2] =
    [("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]), ("filter", &["INPUT", "FORWARD", "OUTPUT"])];

/// What the kernel takes as a chain's name.
const LONGEST_NAME: usize = 28;

/// The rules of each chain of each table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables(BTreeMap<String, BTreeMap<String, Vec<String>>>);

impl Tables {
    pub fn empty() -> Tables {
        let chains = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), vec![])).collect();
        Tables(TABLES.into_iter().map(|(table, system)| (table.to_owned(), chains(system))).collect())
    }

    /// Of any text, what could be in a kernel.
    pub fn of_anything(text: &str) -> Tables {
        let mut tables = Tables::empty();
        let mut current = "nat".to_owned();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*').filter(|name| tables.0.contains_key(*name)) {
                current = name.to_owned();
            }
            let chains = tables.0.entry(current.clone()).or_default();
            match Line::parse(line) {
                Some(Line::Chain { name, .. }) if !name.is_empty() && name.len() <= LONGEST_NAME => {
                    chains.entry(name.to_owned()).or_default();
                }
                Some(Line::Rule { chain, words }) if !words.is_empty() => {
                    if let Some(rules) = chains.get_mut(chain) {
                        rules.push(words.to_owned());
                    }
                }
                _ => {}
            }
        }
        for (table, chains) in &mut tables.0 {
            let names: BTreeSet<String> = chains.keys().cloned().collect();
            for (name, rules) in chains {
                // The kernel lets no chain go that somebody else's leads to; `sync.rs` has that with a real one.
                let may_lead = is_of_the_system(table, name) || is_a_kube_proxys(table, name);
                rules.retain(|rule| {
                    !target(rule).is_some_and(|to| is_kubernetes(to) && !(may_lead && names.contains(to)))
                });
            }
        }
        tables
    }

    /// Carries out what was written for `iptables-restore`; an error is what that would complain about.
    pub fn restore(&mut self, input: &str) -> Result<(), String> {
        let mut current = None;
        for line in input.lines() {
            let wrong = |what: &str| format!("{what}: {line}");
            if let Some(name) = line.strip_prefix('*') {
                current = Some(name.to_owned());
                continue;
            }
            let chains = current.as_ref().and_then(|table| self.0.get_mut(table)).ok_or_else(|| wrong("no table"))?;
            let (command, rest) = line.split_at_checked(3).unwrap_or((line, ""));
            let (chain, words) = rest.split_once(' ').unwrap_or((rest, ""));
            let rules = chains.get_mut(chain).ok_or_else(|| wrong("no such chain"));
            match command {
                "COM" => {
                    let dangling = chains
                        .values()
                        .flatten()
                        .find(|rule| target(rule).is_some_and(|to| is_kubernetes(to) && !chains.contains_key(to)));
                    if let Some(rule) = dangling {
                        return Err(wrong(&format!("{rule:?} leads nowhere")));
                    }
                    current = None;
                }
                "-A " => rules?.push(words.to_owned()),
                "-I " => rules?.insert(0, words.to_owned()),
                "-D " => {
                    let rules = rules?;
                    let index = rules.iter().position(|rule| rule == words).ok_or_else(|| wrong("no such rule"))?;
                    rules.remove(index);
                }
                "-X " if rules?.is_empty() => drop(chains.remove(chain)),
                "-X " => return Err(wrong("the chain is not empty")),
                _ => {
                    let name = line.strip_prefix(':').and_then(|line| line.strip_suffix(" - [0:0]"));
                    let name = name.filter(|name| name.len() <= LONGEST_NAME).ok_or_else(|| wrong("not understood"))?;
                    chains.insert(name.to_owned(), vec![]);
                }
            }
        }
        if current.is_some() { Err("no COMMIT at the end".to_owned()) } else { Ok(()) }
    }

    /// As `iptables-save` prints them.
    pub fn save(&self) -> String {
        let mut text = String::new();
        for (table, chains) in &self.0 {
            text += &format!("*{table}\n");
            for name in chains.keys() {
                text += &format!(":{name} {} [0:0]\n", if is_of_the_system(table, name) { "ACCEPT" } else { "-" });
            }
            for (name, rules) in chains {
                rules.iter().for_each(|rule| text += &format!("-A {name} {rule}\n"));
            }
            text += "COMMIT\n";
        }
        text
    }

    /// Chains that no kube-proxy may touch, with their rules.
    pub fn of_others(&self) -> BTreeMap<(&str, &str), &[String]> {
        let all = self.0.iter().flat_map(|(table, chains)| {
            chains.iter().map(move |(name, rules)| ((table.as_str(), name.as_str()), rules.as_slice()))
        });
        all.filter(|((table, name), _)| !is_of_the_system(table, name) && !is_a_kube_proxys(table, name)).collect()
    }

    /// Rules of the system's chains that do not lead to a chain of Kubernetes'.
    pub fn of_the_system(&self) -> Vec<(&str, &str, &str)> {
        let mut found = vec![];
        for (table, names) in TABLES {
            for name in names {
                let rules = self.0.get(table).and_then(|chains| chains.get(*name)).into_iter().flatten();
                let others = rules.filter(|rule| !target(rule).is_some_and(is_kubernetes));
                found.extend(others.map(|rule| (table, *name, rule.as_str())));
            }
        }
        found
    }
}

fn is_kubernetes(chain: &str) -> bool {
    chain.starts_with("KUBE-")
}

fn is_of_the_system(table: &str, chain: &str) -> bool {
    TABLES.iter().any(|(of, names)| *of == table && names.contains(&chain))
}

/// Chains that a kube-proxy has, or had once.
fn is_a_kube_proxys(table: &str, chain: &str) -> bool {
    let shared: &[&str] = match table {
        "nat" => &["KUBE-MARK-MASQ", "KUBE-POSTROUTING", "KUBE-NODEPORTS", "KUBE-SERVICES"],
        _ => &["KUBE-FORWARD", "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL", "KUBE-NODEPORTS"],
    };
    let prefixes = ["SVC-", "SVL-", "SEP-", "EXT-", "FW-", "XLB-", "PORTALS-", "NODEPORT-", "PROXY-CANARY"];
    shared.contains(&chain)
        || chain.strip_prefix("KUBE-").is_some_and(|rest| prefixes.iter().any(|prefix| rest.starts_with(prefix)))
}
