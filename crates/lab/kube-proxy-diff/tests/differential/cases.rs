//! The table of cases, with real packets and by simulating the rules.

use kube_proxy_diff::{
    case::{self, Group},
    cases,
    world::IptablesVariant,
};

use crate::support::{Printed, start};

fn hold(groups: &[Group]) {
    let (programs, api) = start();
    let mut found = vec![];
    for group in groups {
        let began = std::time::Instant::now();
        let findings = case::run(group, &api, &programs, &Printed).unwrap();
        println!("{}: {} cases in {:.1} s", group.name, group.cases.len(), began.elapsed().as_secs_f64());
        found.extend(findings.iter().map(|finding| format!("{}: {finding}", group.name)));
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
#[ignore = "needs root, iptables, conntrack, network namespaces and the SWIX in dist/"]
fn ours_answers_as_upstream_on_iptables_legacy() {
    hold(&[cases::main(IptablesVariant::Legacy)]);
}

#[test]
#[ignore = "needs root, iptables, conntrack, network namespaces and the SWIX in dist/"]
fn ours_answers_as_upstream_on_iptables_nft() {
    hold(&[cases::main(IptablesVariant::Nft)]);
}

#[test]
#[ignore = "needs root, iptables, conntrack, network namespaces and the SWIX in dist/"]
fn ours_answers_as_upstream_with_flags() {
    hold(&cases::with_flags());
}

#[test]
#[ignore = "needs root, iptables, conntrack, network namespaces and the SWIX in dist/"]
fn ours_answers_as_upstream_in_userspace_mode() {
    hold(&[cases::userspace()]);
}
