//! The units that run while the switch is a node, by which of the stages that start them are done.

use std::path::Path;

use anyhow::Result;
use contract::{Stage, places, services};

use crate::{desired::Desired, service, switch::Switch, systemd};

/// Each is started and, if it has failed, started again.
pub struct KeptUnits {
    units: Vec<String>,
}

impl KeptUnits {
    /// `is_done` says which stages have made what is theirs.
    pub fn new(switch: &Switch, is_done: impl Fn(Stage) -> bool) -> Self {
        let master = switch.node.master;
        let own = [
            (services::ENROLMENT, Stage::Enrolment, master),
            (services::RENEWAL_TIMER, Stage::Renewal, true),
            (services::SNAPSHOT_TIMER, Stage::Renewal, master),
        ];
        let own = own.into_iter().filter(|(_, stage, here)| *here && is_done(*stage)).map(|(unit, ..)| unit.to_owned());
        let begun = services::STARTED_BY.into_iter().filter(|(_, stage)| is_done(*stage));
        let begun: Vec<&str> = begun.map(|(name, _)| name).collect();
        let services = service::of(switch).filter(|name| begun.contains(name));
        KeptUnits { units: own.chain(services.map(|name| format!("{name}.service"))).collect() }
    }
}

impl Desired for KeptUnits {
    fn wrong(&mut self) -> Result<Vec<String>> {
        let units: Vec<&str> = self.units.iter().map(String::as_str).collect();
        let states = systemd::states(&units)?;
        let down = states.into_iter().filter(|(_, state)| matches!(state.as_str(), "inactive" | "failed"));
        Ok(down.map(|(unit, _)| unit).collect())
    }

    fn repair(&mut self, things: &[String]) -> Result<()> {
        for unit in things {
            let service = unit.strip_suffix(".service").filter(|name| services::NAMES.contains(name));
            if service.is_some() && !Path::new(places::UNITS).join(unit).exists() {
                // It is written by its stage, of which the renewal does every one.
                return systemd::start(services::RENEWAL);
            }
            systemd::start(unit)?;
        }
        Ok(())
    }
}
