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
    /// What takes EOS' kernel down when it is written is a plain file on each switch, which keeps what was written.
    KernelTraps,
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

/// What a switch is made of, for those who handle it from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    StandIn,
    /// A container that is the switch.
    Container,
    /// A machine inside its container.
    Machine,
}

impl Driver {
    /// What can be done to the devices that it brings up of this topology. Asks Docker which images it has.
    pub fn capabilities(&self, topology: &Topology) -> Result<Capabilities> {
        let switches = topology.switches().map(kind).collect::<Result<Vec<_>>>()?;
        match self {
            // Both make the same containers.
            Driver::BuiltIn | Driver::DockerTopo(_) => Ok(of_containers(&switches)),
        }
    }
}

fn kind(switch: &TopologyNode) -> Result<Kind> {
    let is_stand_in = match choose(&switch.image, &StandIns::default())? {
        Choice::Image(image) => stands_in_for(&image.id)?.is_some(),
        // Its stand-in is not made yet.
        Choice::Missing { .. } => stand_in(&switch.image).is_some(),
    };
    Ok(match switch.model {
        _ if is_stand_in => Kind::StandIn,
        Model::Veos => Kind::Machine,
        _ => Kind::Container,
    })
}

fn of_containers(switches: &[Kind]) -> Capabilities {
    use Capability::{CableControl, KernelTraps, PowerControl, SocketsOnDevices, SpareSwitch};
    let spare = switches.iter().all(|kind| *kind != Kind::Machine).then_some(SpareSwitch);
    let traps = switches.iter().all(|kind| *kind == Kind::StandIn).then_some(KernelTraps);
    [PowerControl, CableControl, SocketsOnDevices].into_iter().chain(spare).chain(traps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_is_filled_where_it_is_a_container_s_and_traps_are_in_stand_ins_alone() {
        let has = |switches: &[Kind]| {
            let all = of_containers(switches);
            [Capability::CableControl, Capability::SpareSwitch, Capability::KernelTraps].map(|one| all.has(one))
        };
        assert_eq!(has(&[Kind::StandIn, Kind::StandIn]), [true, true, true]);
        assert_eq!(has(&[Kind::StandIn, Kind::Container]), [true, true, false]);
        assert_eq!(has(&[Kind::StandIn, Kind::Machine]), [true, false, false]);
    }
}
