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
    let refused = |text: &str| {
        let topology = Topology::parse(text, "x.yml", Path::new("/"), &|_| None).unwrap();
        containerlab::export(&topology, Path::new("/")).unwrap_err().to_string()
    };
    let error = refused(&MANY.replace("router-1", "vmx-1"));
    assert!(error.contains("vmx-1 runs vrnetlab/vr-vmx"), "{error}");
    let error = refused(&MANY.replace("PREFIX: lab", "PREFIX: a-long-prefix"));
    assert!(error.contains("use a shorter PREFIX than a-long-prefix"), "{error}");
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
    for text in [seed_s(), repository_s("leaf-spine.yml"), containerlab::export(&many(), Path::new("/")).unwrap().text]
    {
        assert_eq!(check(&text), [""; 0], "{text}");
        // It would not accept just anything.
        assert_ne!(check(&text.replace("kind: linux", "kind: linus")), [""; 0], "{text}");
    }
}
