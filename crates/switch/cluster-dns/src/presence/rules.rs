//! Our chains in iptables. Questions and answers are not tracked: then no rule for Services sees them, whichever kube-proxy made it and in
//! whichever mode. Names begin as Kubernetes' do, so that whoever takes Kubernetes' chains away takes these, too.

use std::net::Ipv4Addr;

use common::xtables::{Chain, Family};
use ipnet::Ipv4Net;

const PORT: u16 = contract::ports::DNS;

pub fn desired(address: Ipv4Addr, bridge: &str, others: &[Ipv4Net], lets_in: bool) -> Vec<Chain> {
    let both = |rule: &dyn Fn(&str) -> String| ["udp", "tcp"].map(rule);
    let questions =
        both(&|protocol| format!("-d {address}/32 -p {protocol} -m {protocol} --dport {PORT} -j CT --notrack"));
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
    vec![
        Chain {
            family: Family::V4,
            table: "raw",
            systems: &["PREROUTING", "OUTPUT"],
            name: "KUBE-DNS-RAW",
            first: false,
            rules: questions.into_iter().chain(answers).collect(),
        },
        Chain {
            family: Family::V4,
            table: "filter",
            systems: &["INPUT"],
            name: "KUBE-DNS-INPUT",
            first: false,
            rules: of_pods.into_iter().chain(of_itself).chain(to_itself).chain(of_others).filter(|_| lets_in).collect(),
        },
        Chain {
            family: Family::V4,
            table: "filter",
            systems: &["OUTPUT"],
            name: "KUBE-DNS-OUTPUT",
            first: false,
            rules: leaving.into_iter().chain(itself_asking).collect(),
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
            for chain in desired("10.10.0.10".parse().unwrap(), "kube0", &others, true) {
                assert!(chain.ensure().unwrap());
                assert!(!chain.ensure().unwrap(), "{} is made again and again", chain.name);
            }
        };
        std::thread::spawn(inside).join().unwrap();
    }

    #[test]
    fn pods_are_let_in_unless_that_is_left_to_the_operator_and_never_tracked() {
        let chains = |lets_in| desired("10.10.0.10".parse().unwrap(), "kube0", &[], lets_in);
        let [open, left] = [true, false].map(chains);
        let of_pods = "-d 10.10.0.10/32 -i kube0 -p udp -m udp --dport 53 -j ACCEPT";
        assert!(open[1].rules.iter().any(|rule| rule == of_pods) && left[1].is_empty());
        assert!(
            open[0] == left[0] && open[2] == left[2] && left[0].rules.iter().all(|rule| rule.ends_with("--notrack"))
        );
    }
}
