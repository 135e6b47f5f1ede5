//! A small file for each feature of docker-topo's format, and what is made of it.

#![allow(clippy::unwrap_used)]

use std::{fmt::Write, fs, path::Path};

use topology::{
    Topology,
    format::{LinkDriver, TopologyNode},
};

fn fixture(name: &str) -> Topology {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    Topology::parse(&fs::read_to_string(path).unwrap(), name, Path::new("/topologies"), &|_| None).unwrap()
}

/// A line for each link, device and remark.
fn described(topology: &Topology) -> String {
    let mut text = format!("prefix {}\n", topology.prefix);
    for link in &topology.links {
        let options = link.options.iter().map(|(key, value)| format!(" {key}={value}"));
        writeln!(text, "link {} {:?}{}", link.name, link.driver, options.collect::<String>()).unwrap();
    }
    for node in &topology.devices {
        writeln!(text, "device {} {:?} {}{}", node.name, node.model, node.image, attachments(topology, node)).unwrap();
    }
    topology.remarks.iter().for_each(|remark| writeln!(text, "remark: {remark}").unwrap());
    topology.remarks_in_docker().iter().for_each(|remark| writeln!(text, "in Docker: {remark}").unwrap());
    text
}

fn attachments(topology: &Topology, node: &TopologyNode) -> String {
    let networks = topology.networks_of(&node.name).into_iter().map(|link| format!(" on {}", link.name));
    let cables = topology.links.iter().filter(|link| link.driver == LinkDriver::Veth);
    let ends = cables.flat_map(|link| link.endpoints.iter().map(move |end| (link, end)));
    let ends = ends.filter(|(_, end)| end.device == node.name);
    let cables = ends.map(|(link, end)| format!(" {}={}", end.interface, link.name));
    let addresses = node.addresses.iter().map(|(interface, address)| format!(" {interface}:{address}"));
    let ports = node.ports.iter().map(|port| format!(" {port}"));
    networks.chain(cables).chain(addresses).chain(ports).collect()
}

#[test]
fn each_fixture_is_read_as_docker_topo_reads_it() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut names: Vec<String> = fs::read_dir(directory.join("fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        let got = described(&fixture(&name));
        let expected = directory.join("expected").join(name.replace(".yml", ".txt"));
        if std::env::var_os("KOE_BLESS").is_some() {
            fs::write(&expected, &got).unwrap();
        }
        assert_eq!(got, fs::read_to_string(&expected).unwrap_or_default(), "{} is another", expected.display());
    }
}

#[test]
fn a_device_with_capitals_is_found_by_the_name_that_it_has_in_a_cluster() {
    let topology = fixture("capitals.yml");
    let node = |name: &str| topology.node(name).map(|node| node.name.as_str());
    assert_eq!((node("vEOS-1"), node("veos-1"), node("host-a")), (Some("vEOS-1"), Some("vEOS-1"), Some("Host-A")));
    assert_eq!((node("veos-3"), node("vEOS-3"), node("VEOS-3")), (Some("veos-3"), Some("vEOS-3"), None));
    let switch = |name: &str| topology.switch_of_node(name).map(|node| node.name.as_str());
    assert_eq!((switch("veos-1"), switch("veos-2")), (Some("vEOS-1"), Some("vEOS-2.rack")));
    assert_eq!((switch("veos-3"), switch("host-a"), switch("veos")), (Some("veos-3"), None, None));
}
