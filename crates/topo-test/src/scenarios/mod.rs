//! The table of scenarios, in the order in which they are played. Each leaves the cluster up and ready.

mod bring_up;
mod components;
mod flannel;
mod install;
mod link_cut;
mod master_away;
mod pods;
mod reboot_all;
mod reboot_each;
mod routing;
mod secrets;
mod uninstall;
mod upgrade;
mod versions;
mod worker_replaced;

use crate::Scenario;

pub const ALL: &[Scenario] = &[
    routing::SCENARIO,
    install::SCENARIO,
    bring_up::SCENARIO,
    versions::SCENARIO,
    components::SCENARIO,
    secrets::SCENARIO,
    pods::SCENARIO,
    link_cut::SCENARIO,
    reboot_each::SCENARIO,
    reboot_all::SCENARIO,
    worker_replaced::SCENARIO,
    master_away::SCENARIO,
    upgrade::SCENARIO,
    flannel::SCENARIO,
    uninstall::SCENARIO,
];
