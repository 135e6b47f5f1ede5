//! What can be done to a lab's devices: known before anything is brought up, by who brings it up and which images there are.

use std::collections::BTreeSet;

use anyhow::Result;
use topology::{
    Topology,
    format::{Model, TopologyNode},
    images::stand_in,
};

use super::{
    Driver,
    images::{Choice, StandIns, choose, stands_in_for},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// A device is switched off and on, or its power cut.
    PowerControl,
    /// A cable is cut and repaired.
    CableControl,
    /// Another switch of the same name takes one's place, with files on its flash before it is first switched on.
    SpareSwitch,
    /// Sockets of whoever tests are in a device's network.
    SocketsOnDevices,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(all: I) -> Self {
        Capabilities(all.into_iter().collect())
    }
}

impl Driver {
    /// What can be done to the devices that it brings up of this topology. Asks Docker which images it has.
    pub fn capabilities(&self, topology: &Topology) -> Result<Capabilities> {
        let machines = topology.switches().map(is_machine).collect::<Result<Vec<_>>>()?;
        match self {
            // Both make the same containers.
            Driver::BuiltIn | Driver::DockerTopo(_) => Ok(of_containers(&machines)),
        }
    }
}

/// Whether the switch is a machine inside its container: a vEOS that is no stand-in.
fn is_machine(switch: &TopologyNode) -> Result<bool> {
    let is_stand_in = match choose(&switch.image, &StandIns::default())? {
        Choice::Image(image) => stands_in_for(&image.id)?.is_some(),
        // Its stand-in is not made yet.
        Choice::Missing { .. } => stand_in(&switch.image).is_some(),
    };
    Ok(switch.model == Model::Veos && !is_stand_in)
}

/// Of switches that are containers, or machines inside of theirs.
fn of_containers(machines: &[bool]) -> Capabilities {
    use Capability::{CableControl, PowerControl, SocketsOnDevices, SpareSwitch};
    let spare = (!machines.contains(&true)).then_some(SpareSwitch);
    [PowerControl, CableControl, SocketsOnDevices].into_iter().chain(spare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_is_filled_where_it_is_a_container_s() {
        let has = |machines| {
            let all = of_containers(machines);
            [Capability::CableControl, Capability::SpareSwitch].map(|one| all.has(one))
        };
        assert_eq!(has(&[false, false]), [true, true]);
        assert_eq!(has(&[false, true]), [true, false]);
    }
}
