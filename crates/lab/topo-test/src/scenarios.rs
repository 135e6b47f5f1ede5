//! The table of scenarios, in the order in which they are played. Each leaves the cluster up and ready.

mod bring_up;
mod components;
mod flannel;
mod install;
mod kernel;
mod link_cut;
mod long_lived;
mod master_away;
mod pods;
mod rbac;
mod reboot_all;
mod reboot_each;
mod routing;
mod scale;
mod secrets;
mod services;
mod transit;
mod uninstall;
mod upgrade;
mod versions;
mod worker_replaced;
mod workload;

use crate::Scenario;

pub const ALL: &[Scenario] = &[
    routing::SCENARIO,
    long_lived::SCENARIO,
    install::SCENARIO,
    bring_up::SCENARIO,
    versions::SCENARIO,
    components::SCENARIO,
    secrets::SCENARIO,
    pods::SCENARIO,
    rbac::SCENARIO,
    workload::SCENARIO,
    services::SCENARIO,
    transit::SCENARIO,
    scale::SCENARIO,
    link_cut::SCENARIO,
    reboot_each::SCENARIO,
    reboot_all::SCENARIO,
    worker_replaced::SCENARIO,
    master_away::SCENARIO,
    upgrade::SCENARIO,
    flannel::SCENARIO,
    kernel::SCENARIO,
    uninstall::SCENARIO,
];
