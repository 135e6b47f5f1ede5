//! The table of scenarios, in the order in which they are played. Each leaves the cluster up and ready.

mod bring_up;
mod components;
mod install;
mod pods;
mod routing;
mod secrets;
mod versions;

use crate::Scenario;

pub const ALL: &[Scenario] = &[
    routing::SCENARIO,
    install::SCENARIO,
    bring_up::SCENARIO,
    versions::SCENARIO,
    components::SCENARIO,
    secrets::SCENARIO,
    pods::SCENARIO,
];
