//! The topology files of this repository, and files with one mistake each.

use std::path::Path;

use topology::{
    Topology,
    format::{Driver, Kind},
};

const GOOD: &str = "VERSION: 2
PREFIX: t
driver: veth
links:
  - endpoints: [\"veos-a:eth0\", \"host-a:eth0\"]
    driver: bridge
  - endpoints: [\"veos-a:eth1\", \"host-a:eth1:10.0.0.1/31\"]
";

fn parse(text: &str) -> Result<Topology, topology::format::Error> {
    Topology::parse(text, "file", Path::new("/topologies"))
}

fn repository_file(name: &str) -> Topology {
    Topology::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topo").join(name)).unwrap()
}

#[test]
fn the_three_switch_topology_has_its_devices_links_and_startup_configs() {
    let topology = repository_file("k8s.yml");
    let names: Vec<_> = topology.devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["veos-b", "veos-l1", "veos-l2", "host-c1", "host-s1", "host-s2"]);
    assert_eq!(topology.links.len(), 6);
    assert_eq!(topology.links_of("veos-b").count(), 4);
    let host = topology.node("host-s1").unwrap();
    assert_eq!(host.addresses, [("eth1".to_owned(), "10.0.0.7/31".to_owned())]);
    for switch in topology.switches() {
        let config = topology.startup_config(&switch.name);
        let text = std::fs::read_to_string(&config).unwrap();
        assert!(text.contains(&format!("hostname {}\n", switch.name)), "{}", config.display());
    }
}

#[test]
fn the_one_switch_topology_has_a_switch_and_a_host() {
    let topology = repository_file("one.yml");
    assert_eq!(topology.switches().map(|switch| switch.name.as_str()).collect::<Vec<_>>(), ["veos-b"]);
    assert!(topology.config_folder.join("one_veos-b").is_file());
}

#[test]
fn what_a_file_leaves_out_is_as_docker_topo_has_it() {
    let topology = parse("VERSION: 2\nlinks:\n  - endpoints: [\"a-veos\", \"b-veos\"]\n").unwrap();
    assert_eq!(
        (topology.prefix.as_str(), topology.config_folder.as_path()),
        ("file", Path::new("/topologies/./config"))
    );
    assert_eq!(topology.links[0].driver, Driver::Bridge);
    assert_eq!(topology.links[0].endpoints[1].interface, "eth0");
}

#[test]
fn an_image_of_ones_own_is_chosen_by_a_word_in_the_name() {
    let text =
        GOOD.replace("driver: veth", "driver: veth\nCUSTOM_IMAGE:\n  spine: my-eos:1").replace("veos-a", "spine-1");
    let topology = parse(&text).unwrap();
    let spine = topology.node("spine-1").unwrap();
    assert_eq!((spine.kind, spine.image.as_str()), (Kind::Switch, "my-eos:1"));
}

#[test]
fn each_mistake_is_named_with_what_is_expected() {
    assert!(parse(GOOD).is_ok());
    let faults = [
        (GOOD.replace("VERSION: 2", "VERSION: 1"), "VERSION is 1; expected `VERSION: 2`"),
        (GOOD.replace("VERSION: 2\n", ""), "VERSION"),
        (GOOD.replace("PREFIX: t", "PREFIX: a/b"), "PREFIX \"a/b\""),
        (GOOD.replace("driver: veth", "driver: macvlan"), "link 1: the driver \"macvlan\""),
        (GOOD.replace("driver: veth", "drivr: veth"), "drivr"),
        (
            GOOD.replace("    driver: bridge\n", "").replace(", \"host-a:eth0\"", ""),
            "link 0: a veth link joins two endpoints, and this one has 1",
        ),
        (GOOD.replace("[\"veos-a:eth0\", \"host-a:eth0\"]", "[]"), "link 0 has no endpoints"),
        (GOOD.replace("veos-a:eth1", "veos-a:eth0"), "link 1: veos-a's interface eth0 is already used by link 0"),
        (GOOD.replace("veos-a:eth1", "veos-a:eth1:10.0.0.0/31"), "link 1: veos-a is a switch"),
        (GOOD.replace("10.0.0.1/31", "10.0.0.1"), "link 1: \"10.0.0.1\" is not an address"),
        (GOOD.replace("veos-a", "router-a"), "link 0: what router-a is cannot be told"),
        (GOOD.replace("links:", "links"), "line"),
    ];
    for (text, expected) in faults {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected:?} in: {error}\n{text}");
    }
}
