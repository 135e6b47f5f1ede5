//! The topology files of this repository, and files with one mistake each.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use topology::{
    Topology,
    format::{LinkDriver, Model, Publish},
};

const GOOD: &str = "VERSION: 2
PREFIX: t
driver: veth
links:
  - endpoints: [\"veos-a:eth0\", \"host-a:eth0\"]
    driver: bridge
  - endpoints: [\"veos-a:eth1\", \"host-a:eth1:10.0.0.1/31\"]
";

fn parse(text: &str) -> Result<Topology, topology::format::TopologyError> {
    Topology::parse(text, "file.yml", Path::new("/topologies"), &|_| None)
}

fn repository_file(name: &str) -> Topology {
    Topology::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../topo").join(name)).unwrap()
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
    assert!(topology.config_directory.join("one_veos-b").is_file());
}

#[test]
fn the_fabric_has_every_leaf_on_every_spine_a_host_beside_each_switch_and_startup_configs_that_fit() {
    let topology = repository_file("leaf-spine.yml");
    let switches: Vec<_> = topology.switches().map(|switch| switch.name.as_str()).collect();
    assert_eq!(switches, ["veos-spine-1", "veos-spine-2", "veos-leaf-1", "veos-leaf-2", "veos-leaf-3"]);
    let addresses = |device: &str| -> Vec<String> {
        let node = topology.node(device).unwrap();
        let config = std::fs::read_to_string(topology.startup_config(device)).unwrap_or_default();
        let configured = config.lines().filter_map(|line| line.trim().strip_prefix("ip address ")).map(str::to_owned);
        configured.chain(node.addresses.iter().map(|(_, address)| address.clone())).collect()
    };
    // The interfaces of a startup-config are in their order, the loopback behind them.
    let address = |end: &topology::format::Endpoint| {
        let at: usize = end.interface.trim_start_matches("eth").parse().unwrap();
        addresses(&end.device)[at - 1].clone()
    };
    for (spine, leaf) in switches[..2].iter().flat_map(|spine| switches[2..].iter().map(move |leaf| (spine, leaf))) {
        let joins = |link: &&topology::format::Link| {
            link.driver == LinkDriver::Veth
                && [spine, leaf].iter().all(|name| link.endpoints.iter().any(|end| end.device == **name))
        };
        assert_eq!(topology.links.iter().filter(joins).count(), 1, "{spine} and {leaf}");
    }
    for link in topology.links.iter().filter(|link| link.driver == LinkDriver::Veth) {
        let [one, other] = [&link.endpoints[0], &link.endpoints[1]].map(address);
        let even = one.strip_suffix("/31").unwrap();
        let (network, last) = even.rsplit_once('.').unwrap();
        assert_eq!(other, format!("{network}.{}/31", last.parse::<u8>().unwrap() + 1), "{}", link.name);
    }
    for switch in switches {
        let text = std::fs::read_to_string(topology.startup_config(switch)).unwrap();
        assert!(text.contains(&format!("hostname {switch}\n")), "{switch}");
    }
}

#[test]
fn what_a_file_leaves_out_is_as_docker_topo_has_it() {
    let topology = parse("VERSION: 2\nlinks:\n  - endpoints: [\"a-veos\", \"b-veos\"]\n").unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!((topology.prefix.as_str(), topology.config_directory), ("file", here.join("config")));
    let published = |device: &str| topology.devices.iter().find(|node| node.name == device).unwrap().ports.clone();
    let https = |outside| vec![Publish { inside: "443/tcp".into(), address: None, outside: Some(outside) }];
    assert_eq!((published("a-veos"), published("b-veos")), (https(8000), https(8001)));
    assert_eq!(topology.links[0].driver, LinkDriver::Bridge);
    assert_eq!(topology.links[0].endpoints[1].interface, "eth0");
}

#[test]
fn a_name_says_what_a_device_is_in_docker_topo_s_order() {
    let custom = "driver: veth\nCUSTOM_IMAGE:\n  spine: my-eos:1\n  sp: other\n  host-b: mine";
    let text = GOOD.replace("driver: veth", custom).replace("host-a:eth0", "host-a:eth0\", \"NAME:eth0");
    for (name, model, image) in [
        ("Spine-1", Model::Generic, "my-eos:1"),
        ("spa", Model::Generic, "other"),
        ("spine-vEOS", Model::Veos, "veos:latest"),
        ("host-b", Model::Generic, "mine"),
        ("Host-C", Model::Host, "alpine-host:latest"),
        ("cvp-host", Model::Cvp, "cvp:latest"),
        ("vmx", Model::Vmx, "vrnetlab/vr-vmx:17.2R1.13"),
        ("csr", Model::Csr, "vrnetlab/vr-csr:16.04.01"),
        ("xrv", Model::Xrv, "vrnetlab/vr-xrv:6.1.2"),
        ("Leaf-1", Model::Ceos, "ceos:latest"),
    ] {
        let topology = parse(&text.replace("NAME", name)).unwrap();
        let node = topology.node(name).unwrap();
        assert_eq!((node.model, node.image.as_str(), node.kind), (model, image, model.kind()), "{name}");
    }
}

#[test]
fn the_file_comes_before_the_environment_and_that_before_the_defaults() {
    let environment = |key: &str| {
        let value = match key {
            "PREFIX" => "from-environment",
            "CEOS_IMAGE" => "ceos:4.24.2F",
            "CUSTOM_IMAGE" => "{router: frr:1}",
            "PUBLISH_BASE" => "9000",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let text = "VERSION: 2\nlinks:\n  - endpoints: [leaf, router]\n";
    let parse = |text: &str| Topology::parse(text, "x.yml", Path::new("/"), &environment).unwrap();
    let topology = parse(text);
    assert_eq!(topology.prefix, "from-environment");
    assert_eq!(topology.node("leaf").unwrap().image, "ceos:4.24.2F");
    assert_eq!(topology.node("leaf").unwrap().ports[0].outside, Some(9000));
    assert_eq!(topology.node("router").unwrap().image, "frr:1");
    let topology = parse(&format!("PREFIX: own\nCEOS_IMAGE: mine:1\nPUBLISH_BASE: 0\nCUSTOM_IMAGE: {{}}\n{text}"));
    assert_eq!(topology.prefix, "own");
    assert_eq!(topology.node("leaf").unwrap().image, "mine:1");
    assert_eq!(topology.node("leaf").unwrap().ports, []);
    assert_eq!(topology.node("router").unwrap().model, Model::Ceos);
    assert_eq!(topology.under_prefix("other").prefix, "other");
}

#[test]
fn conf_dir_is_beside_the_file_where_there_is_such_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("config")).unwrap();
    let topology = Topology::parse(GOOD, "t.yml", directory.path(), &|_| None).unwrap();
    assert_eq!(topology.startup_config("veos-a"), directory.path().join("config/t_veos-a"));
}

#[test]
fn a_later_link_takes_an_interface_from_an_earlier_one_and_a_remark_says_so() {
    let earlier = "veos-a:eth1\", \"host-b:eth2\"]\n  - endpoints: [\"veos-a:eth1";
    let topology = parse(&GOOD.replace("veos-a:eth1", earlier)).unwrap();
    assert_eq!(topology.links[1].endpoints.len(), 1);
    assert_eq!(topology.links[2].endpoints.len(), 2);
    assert_eq!(topology.remarks, ["link 2 takes veos-a's interface eth1 from link 1"]);
    let topology = parse(&GOOD.replace("veos-a:eth1", "veos-a:eth0")).unwrap();
    assert_eq!(topology.links_of("veos-a").count(), 2, "a container stays on the network that it is made on");
    assert_eq!(topology.remarks, ["link 1 has veos-a's interface eth0 too, which stays on link 0"]);
    let topology = parse(&GOOD.replace("host-a:eth0", "veos-a:eth0")).unwrap();
    assert_eq!(topology.remarks, ["link 0 has veos-a's interface eth0 at two ends"]);
    assert_eq!(parse(GOOD).unwrap().remarks, [""; 0]);
}

#[test]
fn options_for_a_network_s_driver_are_kept() {
    let options = "driver: macvlan\n    driver_opts:\n      parent: eth1\n      a.b: true";
    let topology = parse(&GOOD.replace("driver: bridge", options)).unwrap();
    assert_eq!(topology.links[0].driver, LinkDriver::Macvlan);
    let desired = [("parent", "eth1"), ("a.b", "true")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(topology.links[0].options, desired);
}

#[test]
fn each_mistake_is_named_with_what_is_expected() {
    assert!(parse(GOOD).is_ok());
    let faults = [
        (GOOD.replace("VERSION: 2", "VERSION: 1"), "link 0 is as version 2 has it, and VERSION is 1"),
        (GOOD.replace("VERSION: 2\n", ""), "link 0 is as version 2 has it, and VERSION is 1"),
        (GOOD.replace("VERSION: 2", "VERSION: 3"), "VERSION is 3; docker-topo knows 1 and 2"),
        (GOOD.replace("VERSION: 2", "VERSION: \"2.0\""), "VERSION is \"2.0\"; docker-topo knows 1 and 2"),
        ("VERSION: 2\nlinks:\n  - [\"a:eth0\", \"b:eth0\"]\n".to_owned(), "link 0 is a bare list, as version 1 has it"),
        (GOOD.replace("VERSION: 2", "VERSION: 2\nPUBLISH_BASE: -1"), "PUBLISH_BASE is -1; expected a first port"),
        (GOOD.replace("VERSION: 2", "VERSION: 2\nCUSTOM_IMAGE: x"), "line"),
        (GOOD.replace("PREFIX: t", "PREFIX: a/b"), "PREFIX \"a/b\""),
        (GOOD.replace("driver: veth", "driver: vxlan"), "link 1: the driver \"vxlan\" is none of docker-topo's"),
        (GOOD.replace("driver: veth", "drivr: veth"), "drivr is no key of docker-topo's: driver is meant?"),
        (
            GOOD.replace("host-a:eth1:10.0.0.1/31\"", "host-a:eth1\", \"host-b:eth1\""),
            "link 1: a veth link joins two endpoints, and this one has 3",
        ),
        ("VERSION: 2\n".to_owned(), "no list `links`"),
        ("just text\n".to_owned(), "line"),
        (
            GOOD.replace("    driver: bridge\n", "").replace(", \"host-a:eth0\"", ""),
            "link 0: a veth link joins two endpoints, and this one has 1",
        ),
        (GOOD.replace("[\"veos-a:eth0\", \"host-a:eth0\"]", "[]"), "link 0 has no endpoints"),
        (GOOD.replace("endpoints", "Endpoints"), "link 0: Endpoints is no key of docker-topo's: endpoints is meant?"),
        (GOOD.replace("driver: bridge", "drivr: bridge"), "link 0: drivr is no key of docker-topo's: driver is meant?"),
        (GOOD.replace("host-a:eth0", "veos-a:eth2"), "link 0 has veos-a at two ends, and Docker puts a container"),
        (GOOD.replace("veos-a:eth1", "veos-a:eth1:10.0.0.0/31"), "link 1: veos-a is no end host"),
        (GOOD.replace("10.0.0.1/31", "10.0.0.1"), "link 1: \"10.0.0.1\" is not an address"),
        (GOOD.replace("links:", "links"), "line"),
        (GOOD.replace("links:", "link:"), "link is no key of docker-topo's: links is meant?"),
    ];
    for (text, expected) in faults {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected:?} in: {error}\n{text}");
    }
}
