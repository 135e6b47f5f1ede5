//! Random states: a few for every run, thousands for whoever sets `KOE_RANDOM_STATES`; `KOE_RANDOM_SEED` repeats one run.

use std::{env, time::SystemTime};

use kube_proxy_diff::{
    cases,
    random::{self, By, RandomPlan},
    world::IptablesVariant,
};

use crate::support::{Printed, start};

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn states(iptables: IptablesVariant, by: By, usual: usize) {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = number("KOE_RANDOM_SEED").unwrap_or(clock.as_secs());
    let plan = RandomPlan { seed, states: number("KOE_RANDOM_STATES").unwrap_or(usual), by };
    assert!(plan.states > 0, "KOE_RANDOM_STATES=0 compares nothing");
    let (programs, api) = start();
    let divergences = random::states(plan, cases::main(iptables).setting, &api, &programs, &Printed).unwrap();
    let shown: String = divergences.iter().take(3).map(ToString::to_string).collect();
    assert!(divergences.is_empty(), "{} of {} states differ:\n{shown}", divergences.len(), plan.states);
}

#[test]
#[ignore = "needs root, iptables, conntrack, network namespaces and the SWIX in dist/"]
fn random_states_are_walked_as_upstream_s_on_iptables_legacy() {
    states(IptablesVariant::Legacy, By::Simulation, 40);
}

#[test]
#[ignore = "needs root, iptables, conntrack, network namespaces and the SWIX in dist/"]
fn random_states_are_walked_as_upstream_s_on_iptables_nft() {
    states(IptablesVariant::Nft, By::Simulation, 20);
}

#[test]
#[ignore = "needs root, iptables, conntrack, network namespaces and the SWIX in dist/"]
fn random_states_answer_real_packets_as_upstream_s() {
    states(IptablesVariant::Legacy, By::Packets, 15);
}
