//! The kubelet beside us, which sees to rules of its own each minute, some of them in chains that we have, too: what 1.12 and 1.20 ask for, put
//! there by real iptables as they do it, rule by rule where one is missing.

use std::process::Command;

use kube_proxy::backend::Backend;
use kube_proxy::iptables::Table;

use crate::real::{Real, with_each_variant};
use crate::sync::{everything, started};

/// Table, `A` to append or `I` to prepend, and the rule.
type Ensured = (&'static str, &'static str, &'static str);

const CHAINS: [(&str, &str); 4] =
    [("nat", "KUBE-MARK-DROP"), ("filter", "KUBE-FIREWALL"), ("nat", "KUBE-MARK-MASQ"), ("nat", "KUBE-POSTROUTING")];

/// What both have.
const BOTH: [Ensured; 6] = [
    ("nat", "A", "KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000"),
    (
        "filter",
        "A",
        "KUBE-FIREWALL -m comment --comment kubernetes_firewall_for_dropping_marked_packets -m mark --mark 0x8000/0x8000 -j DROP",
    ),
    ("filter", "I", "OUTPUT -j KUBE-FIREWALL"),
    ("filter", "I", "INPUT -j KUBE-FIREWALL"),
    ("nat", "A", "KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000"),
    ("nat", "I", "POSTROUTING -m comment --comment kubernetes_postrouting_rules -j KUBE-POSTROUTING"),
];

const OF_1_12: [Ensured; 1] = [(
    "nat",
    "A",
    "KUBE-POSTROUTING -m comment --comment kubernetes_service_traffic_requiring_SNAT -m mark --mark 0x4000/0x4000 \
     -j MASQUERADE",
)];

const OF_1_20: [Ensured; 4] = [
    (
        "filter",
        "A",
        "KUBE-FIREWALL -m comment --comment block_incoming_localnet_connections -d 127.0.0.0/8 ! -s 127.0.0.0/8 \
         -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
    ),
    ("nat", "A", "KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN"),
    ("nat", "A", "KUBE-POSTROUTING -j MARK --xor-mark 0x4000"),
    (
        "nat",
        "A",
        "KUBE-POSTROUTING -m comment --comment kubernetes_service_traffic_requiring_SNAT -j MASQUERADE --random-fully",
    ),
];

fn iptables(real: &Real, words: &str) -> bool {
    let program = real.directory.path().join(format!("iptables-{}", real.tool.variant()));
    // Comments have blanks.
    let words = words.split_whitespace().map(|word| word.replace('_', " "));
    Command::new(program).args(words).output().expect("iptables can be run").status.success()
}

/// What the kubelet does each minute; returns how many rules it had to add.
fn minute(real: &Real, of_its_release: &[Ensured]) -> usize {
    for (table, chain) in CHAINS {
        iptables(real, &format!("-t {table} -N {chain}"));
    }
    let missing = |(table, _, rule): &&Ensured| !iptables(real, &format!("-t {table} -C {rule}"));
    let added = BOTH.iter().chain(of_its_release).filter(missing).map(|(table, how, rule)| {
        assert!(iptables(real, &format!("-t {table} -{how} {rule}")), "{rule}");
    });
    added.count()
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_kubelet_of_either_release_and_we_come_to_rest_whoever_is_first() {
    let model = everything();
    for (release, rules) in [("1.12", &OF_1_12[..]), ("1.20", &OF_1_20[..])] {
        for kubelet_is_first in [true, false] {
            with_each_variant(|real| {
                let before = if kubelet_is_first { minute(real, rules) } else { 0 };
                let mut backend = started(&real.tool, &model);
                let mut rounds = Vec::new();
                for _ in 0..5 {
                    let added = minute(real, rules);
                    let repaired = backend.check(&model).unwrap() || backend.check_fully(&model).unwrap();
                    rounds.push((added, repaired));
                }
                let who = format!("{release}, first: {kubelet_is_first}, {} {before} {rounds:?}", real.tool.variant());
                assert!(rounds[0].0 > 0 || kubelet_is_first, "{who}");
                assert!(rounds.iter().all(|(_, repaired)| !repaired), "{who}");
                assert!(rounds[1..].iter().all(|(added, _)| *added == 0), "{who}");
                // All that is ours comes before what it appended.
                let nat = real.saved(Table::Nat);
                let ours = nat.lines().filter(|line| line.starts_with("-A KUBE-POSTROUTING ")).take(3);
                let ours: Vec<&str> = ours.collect();
                assert!(ours[0].ends_with("! --mark 0x4000/0x4000 -j RETURN"), "{who}: {ours:?}");
                assert!(ours[2].contains("-j MASQUERADE"), "{who}: {ours:?}");
            });
        }
    }
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_stands_before_our_rules_for_masquerading_or_in_their_place_is_repaired() {
    let model = everything();
    with_each_variant(|real| {
        let mut backend = started(&real.tool, &model);
        let ours = real.tables();
        for change in ["-I KUBE-POSTROUTING -j RETURN", "-R KUBE-POSTROUTING 3 -j RETURN", "-D KUBE-POSTROUTING 3"] {
            assert!(iptables(real, &format!("-t nat {change}")));
            assert!(backend.check(&model).unwrap(), "{change}");
            assert_eq!(real.tables(), ours, "{change}");
        }
    });
}
