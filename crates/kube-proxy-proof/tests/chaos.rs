//! Chaos at the size that every run of the tests can afford; `cargo xtask chaos` goes on for as long as one likes.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use kube_proxy_proof::{
    api::Api,
    chaos::{self, Mode, Request},
    programs::Programs,
    world::Iptables,
};

/// The folder that a build publishes into.
fn dist() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist");
    env::var_os("KOE_DIST").map_or(beside, PathBuf::from)
}

#[test]
#[ignore = "needs root, iptables, network namespaces and the SWIX in dist/"]
fn whatever_goes_wrong_the_state_is_right_again_in_two_seconds_and_open_connections_stay() {
    let programs = Programs::of_dist(&dist()).unwrap();
    let mut api = Api::start(&programs).unwrap();
    let mut faults = vec![];
    for (iptables, mode) in
        [(Iptables::Legacy, Mode::Iptables), (Iptables::Nft, Mode::Iptables), (Iptables::Legacy, Mode::Userspace)]
    {
        let request = Request { iptables, mode, seed: 4, at_least: Duration::ZERO };
        println!("{mode:?} on {iptables:?}, seed {}", request.seed);
        let report = chaos::run(&request, &mut api, &programs, &mut |line| println!("  {line}")).unwrap();
        println!("  {} changes, {} answers on open connections", report.changes, report.answers);
        faults.extend(report.faults().into_iter().map(|fault| format!("{mode:?} on {iptables:?}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
