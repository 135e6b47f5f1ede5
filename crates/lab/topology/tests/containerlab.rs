//! What is written for containerlab, as it is expected to be, and that containerlab's schema accepts it.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use serde_json::Value;
use topology::{Topology, export::containerlab};

/// Each sort of device and link that there is a way for.
const MANY: &str = "VERSION: 2
PREFIX: lab
PUBLISH_BASE: {443/tcp: 8000, 22/tcp: None, 161/udp: None}
CUSTOM_IMAGE: {router: frr:1}
links:
  - endpoints: [\"sw-1:eth0\", \"sw-2:eth0\", \"host-1:eth0\"]
  - endpoints: [\"sw-1:eth1\", \"sw-2:eth1\", \"router-1:eth1\"]
  - {driver: veth, endpoints: [\"sw-1:eth2\", \"host-1:eth1:10.0.0.1/31\"]}
  - {driver: macvlan, driver_opts: {parent: eno1}, endpoints: [\"router-1:eth2\"]}
";

fn many() -> Topology {
    Topology::parse(MANY, "many.yml", Path::new("/topologies"), &|_| None).unwrap()
}

fn seed_s() -> String {
    repository_s("k8s.yml")
}

fn repository_s(file: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../topo").canonicalize().unwrap();
    containerlab::export(&Topology::load(&directory.join(file)).unwrap(), &directory).unwrap().text
}

fn export(text: &str) -> anyhow::Result<containerlab::Exported> {
    let topology = Topology::parse(text, "x.yml", Path::new("/"), &|_| None).unwrap();
    containerlab::export(&topology, Path::new("/"))
}

/// The fixtures that containerlab has a way for.
fn fixtures() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.filter_map(|text| export(&text).ok()).map(|exported| exported.text).collect()
}

/// Compares with a file of `expected/`; `KOE_BLESS=1` writes it anew, to be read before it is committed.
fn golden(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected").join(name);
    if std::env::var_os("KOE_BLESS").is_some() {
        fs::write(&path, got).unwrap();
    }
    assert_eq!(got, fs::read_to_string(&path).unwrap_or_default(), "{} is another", path.display());
}

#[test]
fn the_seed_s_topology_is_as_expected() {
    golden("k8s.clab.yml", &seed_s());
}

#[test]
fn the_fabric_is_as_expected() {
    golden("leaf-spine.clab.yml", &repository_s("leaf-spine.yml"));
}

#[test]
fn bridges_macvlans_and_ports_are_as_expected_and_what_is_missing_is_said() {
    let exported = containerlab::export(&many(), Path::new("/")).unwrap();
    golden("many.clab.yml", &exported.text);
    assert!(exported.remarks.iter().any(|remark| remark.contains("ip link add lab-1 type bridge")), "{exported:?}");
    assert!(exported.remarks.iter().any(|remark| remark.contains("sw-1's port 161/udp")), "{exported:?}");
}

#[test]
fn devices_and_names_that_containerlab_cannot_have_are_refused_with_a_reason() {
    let refused = |text: &str| export(text).unwrap_err().to_string();
    let error = refused(&MANY.replace("router-1", "vmx-1"));
    assert!(error.contains("vmx-1 runs vrnetlab/vr-vmx"), "{error}");
    let error = refused(&MANY.replace("PREFIX: lab", "PREFIX: a-long-prefix"));
    assert!(error.contains("use a shorter PREFIX than a-long-prefix"), "{error}");
    let error = refused(&MANY.replace("host-1", "Host"));
    assert!(error.contains("Host is the machine itself to containerlab"), "{error}");
}

/// containerlab's rule for a cEOS: `eth` or `et` and a number from 1 on, then word characters and points.
#[test]
fn a_ceos_interface_has_a_name_that_containerlab_takes_or_is_refused() {
    let accepted = |name: &str| {
        let number = name.strip_prefix("eth").or(name.strip_prefix("et")).unwrap_or_default();
        number.starts_with(|c: char| ('1'..='9').contains(&c))
            && number.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    };
    let exported =
        export(&MANY.replace("sw-1:eth1", "sw-1:Ethernet1").replace("sw-1:eth2", "sw-1:Interface-2")).unwrap();
    let file: Value = serde_saphyr::from_str(&exported.text).unwrap();
    let ends = file["topology"]["links"].as_array().unwrap().iter().filter_map(|link| link["endpoints"].as_array());
    let ends: Vec<_> = ends.flatten().filter_map(|end| end.as_str()?.split_once(':')).collect();
    let of_switches: Vec<_> = ends.iter().filter(|(node, _)| node.starts_with("sw-")).collect();
    assert_eq!(of_switches.len(), 3);
    assert!(of_switches.iter().all(|(_, name)| accepted(name)), "{of_switches:?}");
    for remark in ["sw-1's Ethernet1 is eth1 here", "sw-1's Interface-2 is eth2 here"] {
        assert!(exported.remarks.iter().any(|said| said == remark), "{remark}: {:?}", exported.remarks);
    }
    for (written, said) in [
        ("uplink", "sw-1's interface uplink: containerlab takes ethN and etN"),
        ("Ethernet0", "sw-1's interface Ethernet0: containerlab takes"),
        ("ma1", "sw-1's interface ma1 on link net-1: containerlab gives the management interface itself"),
        ("Ethernet2", "sw-1 would have two interfaces eth2 there"),
    ] {
        let error = export(&MANY.replace("sw-1:eth1", &format!("sw-1:{written}"))).unwrap_err().to_string();
        assert!(error.contains(said), "expected {said:?} in: {error}");
    }
}

#[test]
fn the_management_bridge_is_one_by_whichever_name_a_switch_has_for_that_interface() {
    let exported = export(&MANY.replace("sw-1:eth0", "sw-1:Management1").replace("sw-2:eth0", "sw-2:ma1")).unwrap();
    assert_eq!(exported.text, export(MANY).unwrap().text);
}

#[test]
fn nothing_that_is_on_the_management_network_keeps_its_default_route() {
    for text in [seed_s(), containerlab::export(&many(), Path::new("/")).unwrap().text].into_iter().chain(fixtures()) {
        let file: Value = serde_saphyr::from_str(&text).unwrap();
        assert!(file["mgmt"].is_null() || file["mgmt"]["external-access"] == false, "{text}");
        let nodes = file["topology"]["nodes"].as_object().unwrap();
        for (name, node) in nodes.iter().filter(|(_, node)| node["kind"] != "bridge") {
            let closed = node["exec"].as_array().is_some_and(|all| all[0] == "ip route del default dev eth0");
            assert!(closed || node["network-mode"] == "none", "{name} in {text}");
            // containerlab's own startup-config for a cEOS has a default route.
            let own_config = node["startup-config"].is_null() && node["suppress-startup-config"] != true;
            assert!(node["kind"] != "arista_ceos" || !own_config, "{name} in {text}");
        }
    }
}

#[test]
fn ports_that_containerlab_does_not_publish_are_said() {
    let exported =
        export(&MANY.replace("\"sw-2:eth0\", ", "").replace("sw-2:eth1\"", "sw-2:eth1\", \"sw-3:eth1\"")).unwrap();
    let said = |what: &str| exported.remarks.iter().any(|remark| remark.contains(what));
    assert!(
        said("left out: sw-2's ports 161/udp, 22/tcp, 443/tcp, as it is not on the management network"),
        "{exported:?}"
    );
    assert!(!said("sw-1's ports"), "{exported:?}");
}

#[test]
fn a_host_is_told_its_addresses_by_the_names_that_its_interfaces_have_there() {
    let second = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/second-bridge.yml"));
    let text = export(&second.unwrap()).unwrap().text;
    assert!(text.contains("cmd: eth7:10.0.1.3/24") && text.contains("host-2:eth7"), "{text}");
    assert!(text.contains("cmd: eth1:10.0.1.2/30") && text.contains("host-1:eth1"), "{text}");
}

/// The schema is containerlab's and not in here.
#[test]
#[ignore = "needs containerlab's schemas/clab.schema.json, named by KOE_CLAB_SCHEMA"]
fn containerlab_s_schema_accepts_what_is_written() {
    let schema = std::env::var("KOE_CLAB_SCHEMA").expect("KOE_CLAB_SCHEMA names containerlab's schema");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let check = |text: &str| {
        let file: Value = serde_saphyr::from_str(text).unwrap();
        schema.iter_errors(&file).map(|error| format!("{}: {error}", error.instance_path())).collect::<Vec<_>>()
    };
    let own = [seed_s(), repository_s("leaf-spine.yml"), containerlab::export(&many(), Path::new("/")).unwrap().text];
    for text in own.into_iter().chain(fixtures()) {
        assert_eq!(check(&text), [""; 0], "{text}");
        // It would not accept just anything.
        assert_ne!(check(&text.replace("kind: ", "kind: x")), [""; 0], "{text}");
    }
}
