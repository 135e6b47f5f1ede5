//! What every switch's rules have dropped because conntrack took it for INVALID, and what conntrack knows of hosts' flows.

use std::{collections::BTreeMap, net::Ipv4Addr};

use anyhow::{Context, Result, bail, ensure};
use common::errors;

use crate::{Scene, Switch, neighbours::EndHost};

/// Packets, by switch and rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dropped(BTreeMap<(String, String), u64>);

/// Does the work, and fails where a rule has dropped an INVALID packet meanwhile. An error of the work has the rules
/// that did.
pub fn none_dropped<T>(scene: &mut Scene<'_>, work: impl FnOnce(&mut Scene<'_>) -> Result<T>) -> Result<T> {
    let before = Dropped::read(scene)?;
    let worked = work(scene);
    let dropped = Dropped::read(scene).and_then(|now| match now.since(&before).said() {
        None => Ok(()),
        Some(said) => bail!("packets were dropped as INVALID: {said}"),
    });
    errors::both(worked, dropped)
}

impl Dropped {
    fn read(scene: &Scene<'_>) -> Result<Dropped> {
        let mut all = BTreeMap::new();
        for switch in scene.switches()? {
            let saved = switch.exec_ok(["iptables-save", "-c"])?;
            for (rule, packets) in droppers(&saved) {
                *all.entry((switch.name().to_owned(), rule.to_owned())).or_default() += packets;
            }
        }
        Ok(Dropped(all))
    }

    /// A rule that was made anew meanwhile counts from 0.
    fn since(&self, before: &Dropped) -> Dropped {
        let more = |(rule, now): (&(String, String), &u64)| {
            let before = before.0.get(rule).copied().unwrap_or(0);
            (rule.clone(), now.checked_sub(before).unwrap_or(*now))
        };
        Dropped(self.0.iter().map(more).filter(|(_, packets)| *packets > 0).collect())
    }

    /// None where there is nothing to say.
    fn said(&self) -> Option<String> {
        let said = |((switch, rule), packets): (&(String, String), &u64)| format!("{packets} on {switch} by `{rule}`");
        (!self.0.is_empty()).then(|| self.0.iter().map(said).collect::<Vec<_>>().join("; "))
    }
}

/// The rules that drop by this state, and how many packets each has met, from what `iptables-save -c` prints.
fn droppers(saved: &str) -> impl Iterator<Item = (&str, u64)> {
    saved.lines().filter_map(|line| {
        let (counted, rule) = line.strip_prefix('[')?.split_once("] ")?;
        let packets = counted.split(':').next()?.parse().ok()?;
        let words: Vec<&str> = rule.split_whitespace().collect();
        let by_state =
            words.windows(2).any(|pair| pair[0].ends_with("state") && pair[1].split(',').any(|s| s == "INVALID"));
        let drops = words.windows(2).any(|pair| pair == ["-j", "DROP"]);
        (by_state && drops).then_some((rule, packets))
    })
}

/// Has a switch forget every connection that it knows.
pub fn forget(switch: &Switch<'_>) -> Result<()> {
    switch.exec_ok(["conntrack", "-F"]).map(drop)
}

/// Whether a switch's kernel can leave packets untracked.
pub fn can_leave_untracked(switch: &Switch<'_>) -> Result<bool> {
    let listed = switch.exec(["iptables", "-w", "-t", "raw", "-S", "PREROUTING"])?;
    if !listed.status.success() {
        there_is_no_table(&String::from_utf8_lossy(&listed.stderr))?;
    }
    Ok(listed.status.success())
}

/// Fails unless that is what iptables failed for.
fn there_is_no_table(said: &str) -> Result<()> {
    ensure!(said.contains("does not exist"), "iptables does not say whether there is a table raw: {}", said.trim());
    Ok(())
}

/// Fails where conntrack knows a flow between two hosts.
pub fn tracks_none_of(switch: &Switch<'_>, pairs: &[[EndHost; 2]]) -> Result<()> {
    let known = known(switch)?;
    let between: Vec<&str> = known.lines().filter(|line| pairs.iter().any(|pair| is_between(line, pair))).collect();
    let first = between.first().copied().unwrap_or_default();
    ensure!(between.is_empty(), "{} tracks {} flows between hosts, such as: {first}", switch.name(), between.len());
    Ok(())
}

/// Every entry, from the kernel's own list or, where it has none, from conntrack's.
fn known(switch: &Switch<'_>) -> Result<String> {
    let list = switch.exec(["cat", "/proc/net/nf_conntrack"])?;
    match list.status.success() {
        true => Ok(String::from_utf8_lossy(&list.stdout).into_owned()),
        false => switch.exec_ok(["conntrack", "-L"]).context("neither the kernel nor conntrack lists connections"),
    }
}

fn is_between(entry: &str, [one, other]: &[EndHost; 2]) -> bool {
    let address = |key: &str| -> Option<Ipv4Addr> {
        entry.split_whitespace().find_map(|word| word.strip_prefix(key))?.parse().ok()
    };
    let ends = [address("src="), address("dst=")];
    ends == [Some(one.address), Some(other.address)] || ends == [Some(other.address), Some(one.address)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "*filter
:KUBE-FORWARD - [0:0]
[12:720] -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
[5:300] -A KUBE-FORWARD -m comment --comment \"DROP it\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
[3:180] -A FORWARD -i kube0 -m state --state INVALID,NEW -j DROP
COMMIT
";

    #[test]
    fn the_rules_that_drop_what_is_invalid_are_found_with_their_counts() {
        let found: Vec<(&str, u64)> = droppers(SAVED).collect();
        let of_kube_proxy = "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP";
        let other = "-A FORWARD -i kube0 -m state --state INVALID,NEW -j DROP";
        assert_eq!(found, [(of_kube_proxy, 12), (other, 3)]);
    }

    #[test]
    fn what_was_dropped_meanwhile_is_said_also_of_a_rule_that_was_made_anew() {
        let dropped = |counts: &[(&str, u64)]| {
            Dropped(counts.iter().map(|(rule, packets)| (("leaf".to_owned(), (*rule).to_owned()), *packets)).collect())
        };
        let before = dropped(&[("same", 4), ("more", 4), ("anew", 9)]);
        let now = dropped(&[("same", 4), ("more", 6), ("anew", 1), ("new", 0)]);
        assert_eq!(now.since(&before), dropped(&[("more", 2), ("anew", 1)]));
        assert_eq!(now.since(&before).said().unwrap(), "1 on leaf by `anew`; 2 on leaf by `more`");
        assert_eq!(before.since(&before).said(), None);
    }

    #[test]
    fn an_entry_between_two_hosts_is_known_in_either_direction() {
        let host = |name: &str, last| EndHost {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 2, 12, last),
            switch: String::new(),
        };
        let pair = [host("one", 1), host("other", 11)];
        let listed = "ipv4     2 tcp      6 431999 ESTABLISHED src=10.2.12.11 dst=10.2.12.1 sport=4 dport=5 src=10.2.12.1 \
                      dst=10.2.12.11 sport=5 dport=4 [ASSURED] mark=0 zone=0 use=2";
        assert!(is_between(listed, &pair));
        assert!(!is_between(listed, &[host("one", 1), host("third", 111)]));
    }

    #[test]
    fn a_table_is_missing_where_iptables_says_so_and_not_where_it_could_not_be_asked() {
        let legacy = "iptables v1.8.9 (legacy): can't initialize iptables table `raw': Table does not exist (do you need to insmod?)";
        there_is_no_table(legacy).unwrap();
        there_is_no_table("iptables v1.8.9 (nf_tables): table 'raw' does not exist").unwrap();
        for other in
            ["Another app is currently holding the xtables lock.", "Error response from daemon: it is not running"]
        {
            assert!(there_is_no_table(other).unwrap_err().to_string().ends_with(other));
        }
    }
}
