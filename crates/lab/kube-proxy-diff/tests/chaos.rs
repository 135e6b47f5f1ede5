//! Chaos at the size that every run of the tests can afford; `cargo xtask chaos` goes on for as long as one likes.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Duration;

use kube_proxy_diff::{
    chaos::{self, BUSY, ChaosRequest, LIMIT},
    world::{BackendMode, IptablesVariant},
};

#[path = "differential/support.rs"]
mod support;

use support::{Printed, start};

#[test]
#[ignore = "needs root, iptables, network namespaces and the SWIX in dist/"]
fn whatever_goes_wrong_the_state_is_soon_right_again_and_open_connections_stay() {
    let (programs, mut api) = start();
    let mut faults = vec![];
    for (iptables, mode) in [
        (IptablesVariant::Legacy, BackendMode::Iptables),
        (IptablesVariant::Nft, BackendMode::Iptables),
        (IptablesVariant::Legacy, BackendMode::Userspace),
    ] {
        let request = ChaosRequest { iptables, mode, seed: 4, at_least: Duration::ZERO, limit: BUSY * LIMIT };
        println!("{mode:?} on {iptables:?}, seed {}", request.seed);
        let report = chaos::run(&request, &mut api, &programs, &Printed).unwrap();
        println!("  {} changes, {} answers on open connections", report.changes, report.answers);
        faults.extend(report.faults().into_iter().map(|fault| format!("{mode:?} on {iptables:?}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
