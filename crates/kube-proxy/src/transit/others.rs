//! Whether rules of others need the connections that pass through to be tracked: these translate addresses, or ask for a connection's state.

use std::collections::{HashMap, HashSet};

use crate::iptables::{Error, Line, Table, Tool, target, words};

/// Chains of Kubernetes', ours and Docker's: what these need is for this node, its pods or its containers.
const KNOWN: [&str; 4] = ["KUBE-", "KOE-", "CNI-", "DOCKER"];
/// Targets that translate addresses.
const TRANSLATING: [&str; 5] = ["DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"];
/// Matches that ask what conntrack knows of a packet.
const ASKING: [&str; 7] = ["conntrack", "state", "connmark", "connbytes", "connlimit", "connlabel", "helper"];

/// The first such rule, if there is one.
pub fn who_needs_tracking(tool: &Tool) -> Result<Option<String>, Error> {
    let nat = Rules::read(tool, Table::Nat)?;
    if let Some(rule) = nat.find(&["PREROUTING", "POSTROUTING"], translates) {
        return Ok(Some(format!("-t nat {rule}")));
    }
    let filter = Rules::read(tool, Table::Filter)?;
    Ok(filter.find(&["FORWARD"], asks).map(|rule| format!("-t filter {rule}")))
}

fn is_known(chain: &str) -> bool {
    KNOWN.iter().any(|known| chain.starts_with(known))
}

fn leads_to_known(rule: &str) -> bool {
    target(rule).is_some_and(is_known)
}

fn translates(rule: &str) -> bool {
    target(rule).is_some_and(|target| TRANSLATING.contains(&target))
}

fn asks(rule: &str) -> bool {
    values(rule, "-m").any(|name| ASKING.contains(&name))
}

/// Docker has rules for its bridges, and for a container that asks itself, in the system's chains.
fn is_docker_s(rule: &str) -> bool {
    let bridges =
        values(rule, "-i").chain(values(rule, "-o")).any(|name| name.starts_with("docker") || name.starts_with("br-"));
    let (from, to) = (values(rule, "-s").next(), values(rule, "-d").next());
    bridges || (from.is_some() && from == to)
}

/// The words that follow `option`.
fn values<'a>(rule: &'a str, option: &'static str) -> impl Iterator<Item = &'a str> {
    let following = words(rule).skip(1);
    words(rule).zip(following).filter(move |(word, _)| *word == option).map(|(_, value)| value)
}

/// The rules of a table by chain, without those of chains that are known.
#[derive(Default)]
struct Rules(HashMap<String, Vec<String>>);

impl Rules {
    fn read(tool: &Tool, table: Table) -> Result<Self, Error> {
        let mut rules = Self::default();
        tool.save(table, &mut |line| rules.add(line))?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) {
        let Some(Line::Rule { chain, words }) = Line::parse(line) else { return };
        if !is_known(chain) {
            self.0.entry(chain.to_owned()).or_default().push(words.to_owned());
        }
    }

    /// The first rule that packets come to from `entrances` and that is as asked for, with its chain.
    fn find(&self, entrances: &[&str], is_one: fn(&str) -> bool) -> Option<String> {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut next: Vec<&str> = entrances.to_vec();
        while let Some(chain) = next.pop() {
            let Some((chain, rules)) = self.0.get_key_value(chain).filter(|(chain, _)| seen.insert(chain)) else {
                continue;
            };
            if let Some(rule) = rules.iter().find(|rule| is_one(rule) && !is_docker_s(rule) && !leads_to_known(rule)) {
                return Some(format!("-A {chain} {rule}"));
            }
            next.extend(rules.iter().filter_map(|rule| target(rule)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(saved: &str, entrances: &[&str], is_one: fn(&str) -> bool) -> Option<String> {
        let mut rules = Rules::default();
        saved.lines().for_each(|line| rules.add(line));
        rules.find(entrances, is_one)
    }

    fn translating(saved: &str) -> Option<String> {
        found(saved, &["PREROUTING", "POSTROUTING"], translates)
    }

    fn asking(saved: &str) -> Option<String> {
        found(saved, &["FORWARD"], asks)
    }

    #[test]
    fn kubernetes_and_docker_need_nothing_of_what_passes_through() {
        let nat = "\
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.18.0.2/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -j KOE-POSTROUTING
-A KOE-POSTROUTING -s 10.16.0.0/24 ! -d 10.16.0.0/16 -j MASQUERADE
-A KUBE-SEP-NPX46M4PTMTKRN6Y -p tcp -m tcp -j DNAT --to-destination 10.16.0.2:80
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80";
        assert_eq!(translating(nat), None);
        let filter = "\
-A FORWARD -j EOS_FORWARD
-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A EOS_FORWARD -i eth1 -j DROP";
        assert_eq!(asking(filter), None);
    }

    #[test]
    fn an_operator_s_translation_and_stateful_firewall_are_found_wherever_packets_come_to_them() {
        let masquerade = "-A POSTROUTING -s 192.0.2.0/24 -o eth3 -j MASQUERADE";
        assert_eq!(translating(masquerade).as_deref(), Some(masquerade));
        let mine = "-A PREROUTING -j MINE\n-A MINE -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.1";
        assert!(translating(mine).is_some_and(|rule| rule.starts_with("-A MINE ")));
        assert_eq!(translating("-A MINE -j SNAT --to-source 192.0.2.1"), None, "nothing leads there");
        let stateful = "-A FORWARD -j MINE\n-A MINE -m state --state RELATED,ESTABLISHED -j ACCEPT";
        assert!(asking(stateful).is_some());
        assert_eq!(asking("-A FORWARD -m comment --comment \"-m state\" -j ACCEPT"), None);
        assert_eq!(asking("-A FORWARD -j A\n-A A -j B\n-A B -j A"), None);
    }
}
