//! Whether rules of others need the connections that pass through to be tracked: these translate addresses, or ask for the state or the
//! mark of a connection.

use std::collections::{HashMap, HashSet};

use super::docker::is_bridge;
use crate::iptables::{IptablesError, Line, Table, Tool, has_table, target, words};

/// Chains of Kubernetes', ours and Docker's: what these need is for this node, its pods or its containers.
const KNOWN: [&str; 4] = ["KUBE-", "KOE-", "CNI-", "DOCKER"];
/// Where Docker and CNI's plugins have operators put rules of their own.
const FOR_OPERATORS: [&str; 2] = ["DOCKER-USER", "CNI-ADMIN"];
/// Targets that translate addresses.
const TRANSLATING: [&str; 5] = ["DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"];
/// Matches that ask what conntrack knows of a packet, and targets that tell it something.
const ASKING: [&str; 7] = ["conntrack", "state", "connmark", "connbytes", "connlimit", "connlabel", "helper"];
const TELLING: [&str; 4] = ["CONNMARK", "CONNSECMARK", "CT", "SYNPROXY"];

/// A table, where packets that pass through come to it, and which rules need them tracked.
type Place = (Table, &'static [&'static str], fn(&str) -> bool);

const PLACES: [Place; 4] = [
    (Table::Nat, &["PREROUTING", "POSTROUTING"], translates),
    (Table::Filter, &["FORWARD"], uses_conntrack),
    (Table::Mangle, &["PREROUTING", "FORWARD", "POSTROUTING"], uses_conntrack),
    (Table::Raw, &["PREROUTING"], uses_conntrack),
];

/// The first such rule, if there is one, be it in the other variant of iptables.
pub fn who_needs_tracking(tool: &Tool) -> Result<Option<String>, IptablesError> {
    if let Some(rule) = find(tool)? {
        return Ok(Some(rule));
    }
    let other = tool.other_variant();
    // It may be installed where the kernel has nothing of it.
    Ok(other
        .and_then(|other| find(&other).inspect_err(|error| tracing::debug!("no look at it: {error}")).ok().flatten()))
}

fn find(tool: &Tool) -> Result<Option<String>, IptablesError> {
    for (table, entrances, needs) in PLACES.into_iter().filter(|(table, ..)| has_table(tool, *table)) {
        let mut rules = Rules::default();
        tool.save(table, &mut |line| rules.add(line))?;
        if let Some(rule) = rules.find(entrances, needs) {
            return Ok(Some(format!("iptables-{} -t {table} {rule}", tool.variant())));
        }
    }
    Ok(None)
}

fn is_known(chain: &str) -> bool {
    KNOWN.iter().any(|known| chain.starts_with(known)) && !FOR_OPERATORS.contains(&chain)
}

fn translates(rule: &str) -> bool {
    target(rule).is_some_and(|target| TRANSLATING.contains(&target))
}

fn uses_conntrack(rule: &str) -> bool {
    let words: Vec<&str> = words(rule).collect();
    let asks = words.windows(2).any(|pair| pair[0] == "-m" && ASKING.contains(&pair[1]));
    let tells = target(rule).is_some_and(|target| TELLING.contains(&target)) && !words.contains(&"--notrack");
    asks || tells
}

/// Docker has rules in the system's chains, too: for what goes to its bridges or comes from there, and for a container that asks itself.
fn is_docker_s(rule: &str) -> bool {
    let words: Vec<&str> = words(rule).collect();
    let masquerades = target(rule) == Some("MASQUERADE");
    let (from, to) = (option(&words, "-s"), option(&words, "-d"));
    let at_a_bridge = ["-i", "-o"].into_iter().filter_map(|way| option(&words, way)).any(|interface| match interface {
        Value { is: true, of } => is_bridge(of),
        // From a bridge's network to anywhere else.
        Value { is: false, of } => is_bridge(of) && masquerades && from.is_some(),
    });
    let to_itself = masquerades && from.is_some() && from == to && from.is_some_and(|from| from.of.ends_with("/32"));
    at_a_bridge || to_itself
}

/// What an option of a rule says, and whether it is that, or anything else.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Value<'a> {
    is: bool,
    of: &'a str,
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<Value<'a>> {
    let at = words.iter().position(|word| *word == name)?;
    let is = at.checked_sub(1).and_then(|before| words.get(before)) != Some(&"!");
    Some(Value { is, of: words.get(at + 1)? })
}

/// The rules of a table by chain, without those of chains that are known.
#[derive(Default)]
struct Rules(HashMap<String, Vec<String>>);

impl Rules {
    fn add(&mut self, line: &str) {
        let Some(Line::Rule { chain, words }) = Line::parse(line) else { return };
        if !is_known(chain) {
            self.0.entry(chain.to_owned()).or_default().push(words.to_owned());
        }
    }

    /// The first rule that packets come to from `entrances` and that is as asked for, with its chain.
    fn find(&self, entrances: &[&str], needs: fn(&str) -> bool) -> Option<String> {
        let leads_to_known = |rule: &str| target(rule).is_some_and(is_known);
        let mut seen: HashSet<&str> = HashSet::new();
        let mut next: Vec<&str> = entrances.to_vec();
        while let Some(chain) = next.pop() {
            let Some((chain, rules)) = self.0.get_key_value(chain).filter(|(chain, _)| seen.insert(chain)) else {
                continue;
            };
            if let Some(rule) = rules.iter().find(|rule| needs(rule) && !is_docker_s(rule) && !leads_to_known(rule)) {
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

    /// What is found in a table that iptables-save prints so.
    fn found(table: Table, saved: &str) -> Option<String> {
        let mut rules = Rules::default();
        saved.lines().for_each(|line| rules.add(line));
        let (_, entrances, needs) = PLACES.into_iter().find(|(of, ..)| *of == table)?;
        rules.find(entrances, needs)
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
        assert_eq!(found(Table::Nat, nat), None);
        let filter = "\
-A FORWARD -j EOS_FORWARD
-A FORWARD -j DOCKER-USER
-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-USER -j RETURN
-A EOS_FORWARD -i eth1 -j DROP";
        assert_eq!(found(Table::Filter, filter), None);
        assert_eq!(found(Table::Raw, "-A PREROUTING -j KUBE-TRANSIT\n-A KUBE-TRANSIT -j CT --notrack"), None);
        assert_eq!(found(Table::Raw, "-A PREROUTING -p ospf -j CT --notrack"), None);
    }

    #[test]
    fn an_operator_s_rules_that_need_connections_tracked_are_found_wherever_packets_come_to_them() {
        for (table, saved) in [
            (Table::Nat, "-A POSTROUTING -s 192.0.2.0/24 -o eth3 -j MASQUERADE"),
            (Table::Nat, "-A POSTROUTING -s 198.51.100.0/24 -o br-wan -j MASQUERADE"),
            (Table::Nat, "-A POSTROUTING ! -o docker0 -j MASQUERADE"),
            (Table::Nat, "-A POSTROUTING -s 10.0.0.0/8 -d 10.0.0.0/8 -j MASQUERADE"),
            (Table::Nat, "-A PREROUTING -j MINE\n-A MINE -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.1"),
            (Table::Filter, "-A FORWARD -g MINE\n-A MINE -m state --state RELATED,ESTABLISHED -j ACCEPT"),
            (Table::Filter, "-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -i eth1 -m conntrack --ctstate NEW -j DROP"),
            (Table::Filter, "-A FORWARD -s 10.0.0.0/8 -d 10.0.0.0/8 -m state --state ESTABLISHED -j ACCEPT"),
            (Table::Filter, "-A FORWARD -j CONNMARK --save-mark"),
            (Table::Mangle, "-A PREROUTING -j CONNMARK --restore-mark"),
            (Table::Mangle, "-A FORWARD -m conntrack --ctstate INVALID -j DROP"),
            (Table::Raw, "-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp"),
        ] {
            assert!(found(table, saved).is_some(), "{table}: {saved}");
        }
        for (table, saved) in [
            (Table::Nat, "-A MINE -j SNAT --to-source 192.0.2.1"),
            (Table::Nat, "-A OUTPUT -p tcp -j DNAT --to-destination 192.0.2.1"),
            (Table::Filter, "-A FORWARD -m comment --comment \"-m state\" -j ACCEPT"),
            (Table::Filter, "-A FORWARD -j A\n-A A -j B\n-A B -j A"),
        ] {
            assert_eq!(found(table, saved), None, "{saved}");
        }
    }
}
