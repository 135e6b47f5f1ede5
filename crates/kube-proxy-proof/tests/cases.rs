//! The table of cases, upstream against ours, with real packets.

use std::{
    env,
    path::{Path, PathBuf},
};

use base::progress::{Progress, Silent, Task, Unit};
use kube_proxy_proof::{
    api::Api,
    case::{self, Group},
    cases,
    programs::Programs,
    world::Iptables,
};

/// The folder that a build publishes into.
fn dist() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist");
    env::var_os("KOE_DIST").map_or(beside, PathBuf::from)
}

/// Progress, for whoever runs the tests with `--nocapture`.
struct Printed;

impl Progress for Printed {
    fn start(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        Silent.start(name, unit, total)
    }

    fn note(&self, line: &str) {
        println!("{line}");
    }
}

fn hold(groups: &[Group]) {
    let programs = Programs::of_dist(&dist()).unwrap();
    let api = Api::start(&programs).unwrap();
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
    hold(&[cases::main(Iptables::Legacy)]);
}

#[test]
#[ignore = "needs root, iptables, conntrack, network namespaces and the SWIX in dist/"]
fn ours_answers_as_upstream_on_iptables_nft() {
    hold(&[cases::main(Iptables::Nft)]);
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
