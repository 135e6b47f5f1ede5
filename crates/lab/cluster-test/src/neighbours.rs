//! Who is beside whom in the topology, so that scenarios work on other topologies than the repository's own.

use std::{collections::BTreeMap, net::Ipv4Addr};

use cluster::{Cluster, Node};
use topology::{
    Topology,
    format::{DeviceKind, Link, LinkDriver},
};

/// An end host, and the switch that a cable leads to from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndHost {
    pub name: String,
    pub address: Ipv4Addr,
    pub switch: String,
}

/// How many cables lead from a switch to other switches.
pub fn cables_to_switches(topology: &Topology, switch: &str) -> usize {
    let others = topology.switches().filter(|other| other.name != switch);
    others
        .map(|other| cables(topology).filter(|link| ends_at(link, switch) && ends_at(link, &other.name)).count())
        .sum()
}

/// The workers that a cable leads to from the master's switch, each with the cable's name.
pub fn cables_to_workers<'a>(topology: &Topology, cluster: &'a Cluster) -> Vec<(&'a Node, String)> {
    let workers = cluster.nodes.iter().filter(|node| node.worker && !node.master);
    let cabled = |node: &'a Node| Some((node, cable(topology, &cluster.master().name, &node.name)?.name.clone()));
    workers.filter_map(cabled).collect()
}

/// The host that a cable leads to from a switch.
pub fn host_of<'a>(topology: &'a Topology, switch: &str) -> Option<&'a str> {
    let mut hosts = topology.devices.iter().filter(|device| device.kind == DeviceKind::Host);
    hosts.find(|host| cable(topology, switch, &host.name).is_some()).map(|host| host.name.as_str())
}

/// The cable between two devices.
fn cable<'a>(topology: &'a Topology, one: &str, other: &str) -> Option<&'a Link> {
    cables(topology).find(|link| ends_at(link, one) && ends_at(link, other))
}

/// Every two hosts whose packets to each other pass through switches: those beside different ones.
pub fn pairs(topology: &Topology) -> Vec<[EndHost; 2]> {
    let hosts = end_hosts(topology);
    let mut pairs = Vec::new();
    for (at, one) in hosts.iter().enumerate() {
        let others = hosts[at + 1..].iter().filter(|other| other.switch != one.switch);
        pairs.extend(others.map(|other| [one.clone(), other.clone()]));
    }
    pairs
}

/// The switches that have a cable to each of two others: a path of two cables leads by each of them.
pub fn between<'a>(topology: &'a Topology, one: &str, other: &str) -> Vec<&'a str> {
    let both = topology.switches().filter(|switch| {
        [one, other].iter().all(|end| cables(topology).any(|link| ends_at(link, end) && ends_at(link, &switch.name)))
    });
    both.map(|switch| switch.name.as_str()).filter(|name| *name != one && *name != other).collect()
}

/// Whether a way leads from one switch to another that does not use this cable.
pub fn another_way(topology: &Topology, one: &str, other: &str, cut: &str) -> bool {
    hops(topology, one, cut).contains_key(other)
}

/// Whether packets from one switch to another, or their answers, may take this cable while it is whole: whether it is on one of the
/// ways with the fewest cables, as OSPF takes where all cost the same.
pub fn may_take(topology: &Topology, one: &str, other: &str, cable: &str) -> bool {
    let Some(cable) = cables(topology).find(|link| link.name == cable) else { return false };
    let [near, far] = [hops(topology, one, ""), hops(topology, other, "")];
    let shortest = near.get(other).copied();
    let by = |from: &str, to: &str| Some(near.get(from)? + 1 + far.get(to)?);
    let ends: Vec<&str> = cable.endpoints.iter().map(|end| end.device.as_str()).collect();
    matches!(ends[..], [a, b] if shortest.is_some() && (by(a, b) == shortest || by(b, a) == shortest))
}

/// Over how many cables, but for one that is cut, each switch is reached from one of them.
fn hops<'a>(topology: &'a Topology, from: &'a str, cut: &str) -> BTreeMap<&'a str, usize> {
    let mut hops = BTreeMap::from([(from, 0)]);
    let mut reached = vec![from];
    let mut at = 0;
    while let Some(here) = reached.get(at).copied() {
        let links = cables(topology).filter(|link| link.name != cut && ends_at(link, here));
        for end in links.flat_map(|link| &link.endpoints) {
            let is_switch = topology.switches().any(|switch| switch.name == end.device);
            if is_switch && !hops.contains_key(end.device.as_str()) {
                hops.insert(&end.device, hops[here] + 1);
                reached.push(&end.device);
            }
        }
        at += 1;
    }
    hops
}

fn end_hosts(topology: &Topology) -> Vec<EndHost> {
    let hosts = topology.devices.iter().filter(|device| device.kind == DeviceKind::Host);
    let end_host = |host: &topology::format::TopologyNode| {
        let cable = cables(topology).find(|link| ends_at(link, &host.name))?;
        let end =
            |link: &Link, ours: bool| link.endpoints.iter().find(|end| (end.device == host.name) == ours).cloned();
        let (own, beside) = (end(cable, true)?, end(cable, false)?);
        topology.switches().find(|switch| switch.name == beside.device)?;
        let (_, address) = host.addresses.iter().find(|(interface, _)| *interface == own.interface)?;
        let address = address.split('/').next()?.parse().ok()?;
        Some(EndHost { name: host.name.clone(), address, switch: beside.device })
    };
    hosts.filter_map(end_host).collect()
}

fn cables(topology: &Topology) -> impl Iterator<Item = &Link> {
    topology.links.iter().filter(|link| link.driver == LinkDriver::Veth)
}

fn ends_at(link: &Link, name: &str) -> bool {
    link.endpoints.iter().any(|end| end.device == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn repository_file(name: &str) -> Topology {
        Topology::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../topo").join(name)).unwrap()
    }

    #[test]
    fn hosts_beside_different_switches_are_pairs() {
        let pairs_of = |file: &str| -> Vec<String> {
            let pairs = pairs(&repository_file(file));
            pairs.iter().map(|[one, other]| format!("{} {}", one.name, other.name)).collect()
        };
        assert_eq!(pairs_of("k8s.yml"), ["host-c1 host-s1", "host-c1 host-s2", "host-s1 host-s2"]);
        assert_eq!(pairs_of("one.yml"), [""; 0]);
        let fabric = pairs(&repository_file("leaf-spine.yml"));
        assert_eq!(fabric.len(), 10);
        let [one, other] = fabric.last().unwrap();
        assert_eq!((one.switch.as_str(), other.switch.as_str()), ("veos-leaf-2", "veos-leaf-3"));
        assert_eq!(one.address, Ipv4Addr::new(10, 2, 12, 1));
    }

    #[test]
    fn a_fabric_has_two_ways_and_a_tree_has_one() {
        let (tree, fabric) = (repository_file("k8s.yml"), repository_file("leaf-spine.yml"));
        assert_eq!(between(&fabric, "veos-leaf-2", "veos-leaf-3"), ["veos-spine-1", "veos-spine-2"]);
        assert_eq!(between(&tree, "veos-l1", "veos-l2"), ["veos-b"]);
        assert_eq!(between(&tree, "veos-b", "veos-l1"), [""; 0]);
        let spine_to_leaf = "net-3";
        assert!(another_way(&fabric, "veos-spine-1", "veos-leaf-3", spine_to_leaf));
        assert!(!another_way(&tree, "veos-b", "veos-l1", "net-2"));
        assert!(another_way(&tree, "veos-b", "veos-l1", "net-3"));
    }

    #[test]
    fn a_cable_is_taken_by_those_whose_shortest_ways_it_is_on() {
        let (tree, fabric) = (repository_file("k8s.yml"), repository_file("leaf-spine.yml"));
        let take = |topology: &Topology, cable: &str| -> Vec<String> {
            let all = pairs(topology).into_iter().filter(|[a, b]| may_take(topology, &a.switch, &b.switch, cable));
            all.map(|[one, other]| format!("{} {}", one.name, other.name)).collect()
        };
        assert_eq!(take(&tree, "net-3"), ["host-c1 host-s2", "host-s1 host-s2"]);
        let by_spine_1 = ["host-leaf-1 host-leaf-3", "host-leaf-2 host-leaf-3"];
        let all = ["host-spine-1 host-spine-2", "host-spine-1 host-leaf-3", by_spine_1[0], by_spine_1[1]];
        assert_eq!(take(&fabric, "net-3"), all);
        assert_eq!(take(&fabric, "net-7"), [""; 0], "a host's own cable");
    }
}
