//! Our chains in iptables. Questions and answers are not tracked: then no rule for Services sees them, whichever kube-proxy made it and in
//! whichever mode. Names begin as Kubernetes' do, so that whoever takes Kubernetes' chains away takes these, too.
//!
//! Where the table `raw` or the target CT is lacking they are tracked, and questions are accepted in `nat` ahead of every rule that would
//! translate them, and in `OUTPUT` ahead of the one by which a kube-proxy refuses what nobody is behind. A kube-proxy that begins puts its
//! rules ahead of these, until they are looked at again.

use std::net::Ipv4Addr;
use std::{fs, io};

use anyhow::{Context as _, Result};
use common::xtables::{Chain, Family, Tables, says_no_table};
use ipnet::Ipv4Net;

const PORT: u16 = contract::ports::DNS;

/// Nothing leads to it.
const TRIAL: &str = "KUBE-DNS-TRIAL";

/// Whether packets can be left untracked, found out by doing so. An error says neither: it has to be tried again.
pub fn can_notrack() -> Result<bool> {
    let Err(error) = try_out("raw", "-j CT --notrack") else { return Ok(true) };
    let said = format!("{error:#}");
    let lacks = lacks_target(&said)
        || (hides_why(&said) && !legacy_has_target()?)
        || says_no_table(&said)
        || (hides_table(&said) && lacks_table()?);
    if !lacks {
        return Err(error.context("cannot find out whether packets can be left untracked"));
    }
    try_out("nat", "-j ACCEPT")?;
    tracing::warn!(
        "the kernel or iptables lacks the table raw or the target CT; questions for names are tracked: {error:#}"
    );
    Ok(false)
}

/// Whether iptables-restore says that there is no such target, in iptables or in the kernel.
fn lacks_target(said: &str) -> bool {
    [
        "Couldn't load target `CT'",
        "Extension CT revision",
        "Chain 'CT' does not exist",
        "unknown option \"--notrack\"",
        "unknown option `--notrack'",
        "No chain/target/match by that name",
        "RULE_APPEND failed (No such file or directory)",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// Legacy ones up to 1.8.9 say only which line the kernel does not take: `iptables-restore: line 4 failed`.
fn hides_why(said: &str) -> bool {
    said.contains("iptables-restore: line ") && said.lines().any(|line| line.trim_end().ends_with(" failed"))
}

/// What the kernel's legacy tables can have, once somebody has asked for it.
fn legacy_has_target() -> Result<bool> {
    const TARGETS: &str = "/proc/net/ip_tables_targets";
    match fs::read_to_string(TARGETS) {
        Ok(targets) => Ok(targets.lines().any(|target| target == "CT")),
        // No legacy tables at all.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot read {TARGETS}")),
    }
}

/// Legacy ones say so of a table that is lacking, and of one that they may not see.
fn hides_table(said: &str) -> bool {
    said.contains("unable to initialize table 'raw'")
}

fn lacks_table() -> Result<bool> {
    match Family::V4.save("raw") {
        Ok(_) => Ok(false),
        Err(error) if says_no_table(&format!("{error:#}")) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The chain is gone again with its rule.
fn try_out(table: &str, rule: &str) -> Result<()> {
    let lines = format!(":{TRIAL} - [0:0]\n-A {TRIAL} {rule}\nCOMMIT\n*{table}\n-F {TRIAL}\n-X {TRIAL}\n");
    Tables::find(Family::V4)?.change(table, &lines)
}

/// With `notrack` the chain in `raw`, and without it the one in `nat`.
pub fn desired(address: Ipv4Addr, bridge: &str, others: &[Ipv4Net], lets_in: bool, notrack: bool) -> Vec<Chain> {
    let both = |rule: &dyn Fn(&str) -> String| ["udp", "tcp"].map(rule);
    let questions = |target: &str| {
        both(&|protocol| format!("-d {address}/32 -p {protocol} -m {protocol} --dport {PORT} -j {target}"))
    };
    let answers =
        both(&|protocol| format!("-s {address}/32 -p {protocol} -m {protocol} --sport {PORT} -j CT --notrack"));
    let accept = |from: &str| both(&|protocol| format!("{from} -p {protocol} -m {protocol} --dport {PORT} -j ACCEPT"));
    let of_pods = accept(&format!("-d {address}/32 -i {bridge}"));
    let of_itself = accept(&format!("-d {address}/32 -i lo"));
    let to_itself =
        both(&|protocol| format!("-s {address}/32 -i lo -p {protocol} -m {protocol} --sport {PORT} -j ACCEPT"));
    // iptables prints no source of everyone's.
    let from = |range: &Ipv4Net| if range.prefix_len() == 0 { String::new() } else { format!("-s {range} ") };
    let of_others = others.iter().flat_map(|range| accept(&format!("{}-d {address}/32", from(range))));
    let leaving = both(&|protocol| format!("-s {address}/32 -p {protocol} -m {protocol} --sport {PORT} -j ACCEPT"));
    let itself_asking =
        both(&|protocol| format!("-d {address}/32 -o lo -p {protocol} -m {protocol} --dport {PORT} -j ACCEPT"));
    let chain = |table, systems: &'static [&'static str], name| Chain {
        family: Family::V4,
        table,
        systems,
        name,
        first: false,
        rules: vec![],
    };
    let before_services: &[&str] = &["PREROUTING", "OUTPUT"];
    vec![
        if notrack {
            let rules = questions("CT --notrack").into_iter().chain(answers).collect();
            Chain { rules, ..chain("raw", before_services, "KUBE-DNS-RAW") }
        } else {
            Chain { rules: questions("ACCEPT").into(), first: true, ..chain("nat", before_services, "KUBE-DNS-NAT") }
        },
        Chain {
            rules: of_pods.into_iter().chain(of_itself).chain(to_itself).chain(of_others).filter(|_| lets_in).collect(),
            ..chain("filter", &["INPUT"], "KUBE-DNS-INPUT")
        },
        Chain {
            rules: leaving.into_iter().chain(itself_asking).collect(),
            first: !notrack,
            ..chain("filter", &["OUTPUT"], "KUBE-DNS-OUTPUT")
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs root, for a network namespace, and iptables"]
    fn iptables_prints_every_rule_as_it_is_desired_also_those_for_everyone() {
        let inside = || {
            common::netns::unshare().unwrap();
            let others = ["0.0.0.0/0", "198.51.100.0/24", "192.0.2.7/32"].map(|range| range.parse().unwrap());
            for notrack in [true, false] {
                let chains = desired("10.10.0.10".parse().unwrap(), "kube0", &others, true, notrack);
                for chain in &chains {
                    assert!(chain.ensure().unwrap());
                    assert!(!chain.ensure().unwrap(), "{} is made again and again", chain.name);
                }
                chains.iter().for_each(|chain| chain.remove().unwrap());
            }
            assert!(can_notrack().unwrap());
            let saved = ["raw", "nat", "filter"].map(|table| Family::V4.save(table).unwrap());
            assert!(!saved.concat().contains("KUBE-"), "{saved:?}");
        };
        std::thread::spawn(inside).join().unwrap();
    }

    #[test]
    fn a_target_is_lacking_only_where_iptables_says_so() {
        for says in [
            "iptables-restore v1.8.9 (legacy): Couldn't load target `CT':No such file or directory",
            "Warning: Extension CT revision 0 not supported, missing kernel module?",
            "iptables-nft-restore v1.8.9 (nf_tables): Chain 'CT' does not exist",
            "iptables-nft-restore v1.8.9 (nf_tables): unknown option \"--notrack\"",
            "iptables-nft-restore v1.8.9 (nf_tables): \nline 3: RULE_APPEND failed (No such file or directory): rule in chain X",
            "iptables: No chain/target/match by that name.",
        ] {
            assert!(lacks_target(says), "{says}");
        }
        for says in [
            "Another app is currently holding the xtables lock; still 4s 0us time ahead to have a chance to grab the lock...",
            "Fatal: can't open lock file /run/xtables.lock: Permission denied",
            "cannot run iptables-restore to change the firewall: Resource temporarily unavailable (os error 11)",
            "line 3: RULE_APPEND failed (Device or resource busy): rule in chain X",
            "iptables-restore v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)",
        ] {
            assert!(!lacks_target(says) && !hides_why(says) && !hides_table(says), "{says}");
        }
        assert!(hides_why("`iptables-restore` failed:\n    iptables-restore: line 4 failed"));
        assert!(hides_table("iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'raw'"));
    }

    #[test]
    fn pods_are_let_in_unless_that_is_left_to_the_operator_and_never_tracked() {
        let chains = |lets_in| desired("10.10.0.10".parse().unwrap(), "kube0", &[], lets_in, true);
        let [open, left] = [true, false].map(chains);
        let of_pods = "-d 10.10.0.10/32 -i kube0 -p udp -m udp --dport 53 -j ACCEPT";
        assert!(open[1].rules.iter().any(|rule| rule == of_pods) && left[1].is_empty());
        assert!(
            open[0] == left[0] && open[2] == left[2] && left[0].rules.iter().all(|rule| rule.ends_with("--notrack"))
        );
    }

    #[test]
    fn what_has_to_be_tracked_is_accepted_ahead_of_all_rules_for_services() {
        let [untracked, tracked] =
            [true, false].map(|notrack| desired("10.10.0.10".parse().unwrap(), "kube0", &[], true, notrack));
        assert!(
            tracked.iter().all(|chain| chain.table != "raw" && chain.rules.iter().all(|rule| !rule.contains("CT")))
        );
        let ahead = |chains: &[Chain]| chains.iter().map(|chain| (chain.name, chain.first)).collect::<Vec<_>>();
        assert_eq!(ahead(&tracked), [("KUBE-DNS-NAT", true), ("KUBE-DNS-INPUT", false), ("KUBE-DNS-OUTPUT", true)]);
        assert!(ahead(&untracked).iter().all(|(_, first)| !first));
        assert_eq!(tracked[0].rules[0], "-d 10.10.0.10/32 -p udp -m udp --dport 53 -j ACCEPT");
    }
}
