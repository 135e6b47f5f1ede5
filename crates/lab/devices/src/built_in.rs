//! What the built-in driver does not bring up as a topology says it, and what it makes of that.

use anyhow::{Result, bail, ensure};
use topology::format::{Link, LinkDriver, Topology, TopologyNode};

/// What docker-topo may know how to bring up, and the built-in driver does not.
pub(super) fn check(topology: &Topology) -> Result<()> {
    const HOW: &str = "the built-in driver cannot bring it up; use docker-topo itself: --driver docker-topo";
    for node in &topology.devices {
        if node.model.only_by_docker_topo() {
            bail!("{} is a machine in the container of {}: {HOW}", node.name, node.image);
        }
        // A container that is made on no network comes to none later.
        let mut drivers = topology.links_of(&node.name).map(|link| link.driver);
        if drivers.next() == Some(LinkDriver::Veth) && drivers.any(|driver| driver != LinkDriver::Veth) {
            bail!("{}'s first link is a cable and a later one a bridge: put a bridge first in the topology", node.name);
        }
        check_interfaces(topology, node)?;
    }
    let on_an_interface = |link: &&Link| link.driver == LinkDriver::Macvlan && !link.is_dead_macvlan();
    if let Some(link) = topology.links.iter().find(on_an_interface) {
        bail!("{} is a macvlan: {HOW}", link.name);
    }
    Ok(())
}

/// Docker would give an interface on one of its networks a name that the file gives a cable's end.
fn check_interfaces(topology: &Topology, node: &TopologyNode) -> Result<()> {
    let cables = topology.links_of(&node.name).filter(|link| link.driver == LinkDriver::Veth);
    let ends = cables.flat_map(|link| &link.endpoints).filter(|end| end.device == node.name);
    let ends: Vec<&str> = ends.map(|end| end.interface.as_str()).collect();
    for link in topology.networks_of(&node.name) {
        let inside = topology.interface_inside(&node.name, link);
        ensure!(
            !ends.contains(&inside.as_str()),
            "{}'s interface on {} is called {inside} by Docker, and so is the end of a cable in the topology: give that \
             another name",
            node.name,
            link.name
        );
    }
    Ok(())
}

pub(super) fn remarks(topology: &Topology) -> Vec<String> {
    let dead = topology.links.iter().filter(|link| link.is_dead_macvlan());
    dead.map(|link| format!("{} is brought up as a bridge: a macvlan without `parent` joins no more", link.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn topology(links: &str) -> Topology {
        let text = format!("VERSION: 2\nlinks:\n{links}");
        Topology::parse(&text, "t.yml", Path::new("/"), &|_| None).unwrap()
    }

    fn refusal(links: &str) -> String {
        check(&topology(links)).unwrap_err().to_string()
    }

    #[test]
    fn a_bridge_may_come_after_a_cable_where_another_came_first() {
        let links = "  - endpoints: [\"host-1:eth0\"]\n  - endpoints: [\"host-1:eth2\", \"b:eth2\"]\n    driver: veth\n  \
            - endpoints: [\"host-1:eth1\"]\n";
        check(&topology(links)).unwrap();
    }

    #[test]
    fn a_macvlan_that_leads_nowhere_is_a_bridge() {
        let topology = topology("  - endpoints: [\"veos-1:eth0\", \"veos-2:eth0\"]\n    driver: macvlan\n");
        check(&topology).unwrap();
        assert!(remarks(&topology)[0].starts_with("net-0 is brought up as a bridge"));
    }

    #[test]
    fn what_only_docker_topo_raises_is_refused_by_name() {
        let told = refusal("  - endpoints: [\"veos-1:eth0\", \"vmx:eth0\"]\n");
        assert!(
            told.contains("vmx is a machine in the container of vrnetlab/vr-vmx") && told.contains("--driver"),
            "{told}"
        );
        let told = refusal("  - endpoints: [\"veos-1:eth0\"]\n    driver: macvlan\n    driver_opts: {parent: eth0}\n");
        assert!(told.contains("net-0 is a macvlan"), "{told}");
        let told = refusal(
            "  - endpoints: [\"veos-1:eth1\", \"veos-2:eth1\"]\n    driver: veth\n  - endpoints: [\"veos-1:eth0\"]\n",
        );
        assert!(told.contains("put a bridge first"), "{told}");
        let told = refusal(
            "  - endpoints: [\"host-1:eth0\"]\n  - endpoints: [\"host-1:eth2\"]\n  - endpoints: [\"host-1:eth1\", \"b:eth1\"]\n    \
             driver: veth\n",
        );
        assert!(told.contains("host-1's interface on net-1 is called eth1 by Docker"), "{told}");
    }
}
