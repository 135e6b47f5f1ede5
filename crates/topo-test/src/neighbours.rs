//! Who is beside whom in the topology, so that scenarios work on other topologies than the repository's own.

use anyhow::{Context, Result};
use topology::{
    Topology,
    format::{Driver, Kind, Link},
};

use crate::Scene;

/// The cable between two devices.
pub fn cable<'a>(scene: &Scene<'a>, one: &str, other: &str) -> Result<&'a Link> {
    let found = cables(scene.lab.topology()).find(|link| ends_at(link, one) && ends_at(link, other));
    found.with_context(|| format!("the topology has no cable between {one} and {other}"))
}

/// The host that a cable leads to from a switch.
pub fn host_of(scene: &Scene<'_>, switch: &str) -> Result<String> {
    let hosts = scene.lab.devices().filter(|device| device.kind() == Kind::Host);
    let mut beside = hosts.filter(|host| cable(scene, switch, host.name()).is_ok());
    let host = beside.next().with_context(|| format!("the topology has no host beside {switch}"))?;
    Ok(host.name().to_owned())
}

/// Whether a way leads from one switch to another that does not use this cable.
pub fn another_way(topology: &Topology, one: &str, other: &str, cut: &str) -> bool {
    let mut reached = vec![one];
    let mut at = 0;
    while let Some(here) = reached.get(at).copied() {
        let links = cables(topology).filter(|link| link.name != cut && ends_at(link, here));
        for end in links.flat_map(|link| &link.endpoints) {
            let is_switch = topology.switches().any(|switch| switch.name == end.device);
            if is_switch && !reached.contains(&end.device.as_str()) {
                reached.push(&end.device);
            }
        }
        at += 1;
    }
    reached.contains(&other)
}

fn cables(topology: &Topology) -> impl Iterator<Item = &Link> {
    topology.links.iter().filter(|link| link.driver == Driver::Veth)
}

fn ends_at(link: &Link, name: &str) -> bool {
    link.endpoints.iter().any(|end| end.device == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn repository_file(name: &str) -> Topology {
        Topology::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topo").join(name)).unwrap()
    }

    #[test]
    fn in_a_fabric_another_way_is_left_and_in_a_tree_none() {
        let (tree, fabric) = (repository_file("k8s.yml"), repository_file("leaf-spine.yml"));
        let spine_to_leaf = "net-3";
        assert!(another_way(&fabric, "veos-spine-1", "veos-leaf-3", spine_to_leaf));
        assert!(!another_way(&tree, "veos-b", "veos-l1", "net-2"));
        assert!(another_way(&tree, "veos-b", "veos-l1", "net-3"));
    }
}
