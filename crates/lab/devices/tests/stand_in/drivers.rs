//! docker-topo itself against the built-in driver: the same file, and what stands afterwards.
//!
//! Needs docker-topo on PATH or in $KOE_DOCKER_TOPO.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use common::{command::Program, progress::Silent};
use devices::{Device, Driver, Flash, Lab, LabGuard, Options, What};
use serde_json::{Value, json};
use topology::Topology;

use crate::support::{self, BOOT, make_images, ping, repository};

const PREFIX: &str = "t-both";

/// Where docker-topo is.
fn docker_topo() -> Driver {
    let path = std::env::var_os("KOE_DOCKER_TOPO").map(PathBuf::from);
    Driver::docker_topo(path).unwrap_or_else(|error| panic!("set KOE_DOCKER_TOPO to where docker-topo is: {error:#}"))
}

fn topology(prefix: &str) -> Topology {
    Topology::load(&repository().join("topo/k8s.yml")).unwrap().under_prefix(prefix)
}

fn up(topology: &Topology, driver: Driver, flash: &BTreeMap<String, Flash>) -> LabGuard {
    Lab::ensure_down(topology).unwrap();
    let options = Options { driver, stand_ins: make_images(), ..Options::default() };
    let lab: LabGuard =
        Lab::up_with(topology, flash, &options, &Silent).unwrap_or_else(|error| panic!("{error:#}")).into();
    for switch in topology.switches() {
        assert_eq!(lab.device(&switch.name).unwrap().wait_until_booted(BOOT).unwrap(), "running", "{}", switch.name);
    }
    lab
}

fn inspect(sort: &str, name: &str) -> Value {
    let docker = Program::new("docker", "look").unwrap().args([sort, "inspect", name]);
    let all: Value = serde_json::from_str(&docker.read().unwrap()).unwrap();
    all[0].clone()
}

/// What a container's HostConfig is compared by.
const HOST_CONFIG: [&str; 12] = [
    "Privileged",
    "Sysctls",
    "NetworkMode",
    "CgroupnsMode",
    "Dns",
    "PortBindings",
    "RestartPolicy",
    "PidMode",
    "SecurityOpt",
    "CapAdd",
    "Runtime",
    "Binds",
];

/// What Docker says of a container, but for what differs each time.
fn container(device: &Device) -> Value {
    let all = inspect("container", &device.container());
    let mut labels = all["Config"]["Labels"].clone();
    labels.as_object_mut().unwrap().remove("org.kubernetes-on-eos.lab");
    let mounts = all["Mounts"].as_array().unwrap();
    let mounts: BTreeSet<String> = mounts
        .iter()
        .map(|mount| {
            let source = if mount["Type"] == "bind" { mount["Source"].clone() } else { Value::Null };
            format!("{} {} {} {source}", mount["Destination"], mount["Type"], mount["RW"])
        })
        .collect();
    let host = HOST_CONFIG.map(|key| normal(&all["HostConfig"][key]));
    let networks = all["NetworkSettings"]["Networks"].as_object().unwrap();
    json!({
        "image": all["Image"],
        "path": all["Path"],
        "args": all["Args"],
        "hostname": all["Config"]["Hostname"],
        "tty": all["Config"]["Tty"],
        "env": all["Config"]["Env"],
        "labels": labels,
        "mounts": mounts,
        "networks": networks.keys().collect::<Vec<_>>(),
        "host": host,
    })
}

/// docker-py leaves out what the command line gives as an empty list, and no name where that gives "no".
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(policy) if policy.get("Name").is_some_and(|name| name == "" || name == "no") => Value::Null,
        Value::Array(list) if list.is_empty() => Value::Null,
        Value::Object(map) if map.is_empty() => Value::Null,
        other => other.clone(),
    }
}

fn networks(topology: &Topology) -> Value {
    let bridges = topology.links.iter().filter(|link| link.driver == topology::format::LinkDriver::Bridge);
    bridges
        .map(|link| {
            let all = inspect("network", &format!("{}_{}", topology.prefix, link.name));
            let mut labels = all["Labels"].clone();
            labels.as_object_mut().unwrap().remove("org.kubernetes-on-eos.lab");
            json!({"name": all["Name"], "driver": all["Driver"], "internal": all["Internal"], "options": all["Options"],
                "labels": labels, "ipv6": all["EnableIPv6"]})
        })
        .collect()
}

/// The interfaces inside, with what of their MAC addresses EOS cares for, and whether they have a carrier.
fn interfaces(device: &Device) -> String {
    let script = "cd /sys/class/net; for name in eth*; do
        local=$(( 0x$(cut -c 1-2 $name/address) & 2 )); [ $name = eth0 ] && local=; echo $name $local $(cat $name/carrier); done";
    device.exec_ok(["sh", "-euc", script]).unwrap()
}

fn routes_out(device: &Device) -> String {
    device.exec_ok(["ip", "-4", "route", "show", "default"]).unwrap()
}

fn what_stands(lab: &Lab) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::from([("networks".to_owned(), networks(lab.topology()))]);
    for device in lab.devices() {
        found.insert(
            device.name().to_owned(),
            json!({"container": container(&device), "interfaces": interfaces(&device), "out": routes_out(&device)}),
        );
    }
    found
}

fn every_link_carries(lab: &Lab) {
    let host = lab.device("host-c1").unwrap();
    for address in ["10.0.0.0", "10.0.0.3", "10.0.0.5", "10.0.0.7", "10.0.0.9", "1.1.1.1", "2.2.2.2", "3.3.3.3"] {
        ping(&host, address);
    }
}

#[test]
#[ignore = "needs root, a Docker engine and docker-topo"]
fn both_drivers_raise_the_same() {
    let topology = topology(PREFIX);
    let both = [docker_topo(), Driver::BuiltIn].map(|driver| {
        let lab = up(&topology, driver, &BTreeMap::new());
        every_link_carries(&lab);
        assert!(matches!(lab.device("veos-b").unwrap().identity().unwrap().what, What::StandInFor(_)));
        what_stands(&lab)
    });
    for (name, theirs) in &both[0] {
        assert_eq!(theirs, &both[1][name], "{name}");
    }
    assert!(!Lab::ensure_down(&topology).unwrap(), "something was left");
    support::nothing_is_left(PREFIX);
}

#[test]
#[ignore = "needs root, a Docker engine and docker-topo"]
fn docker_topo_s_devices_have_their_flash_filled_and_are_rebooted_and_cut_like_ours() {
    let topology = topology("t-dt");
    let flash = BTreeMap::from([("veos-l1".to_owned(), Flash::new().with_bytes("directory/file", "given\n"))]);
    let lab = up(&topology, docker_topo(), &flash);
    let (switch, host) = (lab.device("veos-l1").unwrap(), lab.device("host-c1").unwrap());
    ping(&host, "2.2.2.2");
    switch.exec_ok(["sh", "-c", "echo kept >/mnt/flash/written; touch /etc/forgotten"]).unwrap();
    let steps: [fn(&Device); 2] = [
        |switch| switch.reboot().unwrap(),
        |switch| {
            switch.cut_power().unwrap();
            switch.power_on().unwrap();
        },
    ];
    for step in steps {
        step(&switch);
        switch.wait_until_booted(BOOT).unwrap();
        assert_eq!(switch.exec_ok(["cat", "/mnt/flash/directory/file"]).unwrap(), "given\n");
        assert_eq!(switch.exec_ok(["cat", "/mnt/flash/written"]).unwrap(), "kept\n");
        assert!(!switch.exec(["test", "-e", "/etc/forgotten"]).unwrap().status.success());
        assert_eq!(routes_out(&switch), "");
        ping(&host, "2.2.2.2");
    }
    switch.cut_power().unwrap();
    switch.replace(&Flash::new().with_bytes("directory/file", "another's\n")).unwrap();
    switch.wait_until_booted(BOOT).unwrap();
    assert_eq!(switch.exec_ok(["cat", "/mnt/flash/directory/file"]).unwrap(), "another's\n");
    assert!(!switch.exec(["test", "-e", "/mnt/flash/written"]).unwrap().status.success());
    assert_eq!(routes_out(&switch), "");
    ping(&host, "2.2.2.2");
}

#[test]
#[ignore = "needs root, a Docker engine and docker-topo"]
fn docker_topo_takes_down_what_the_built_in_driver_raised() {
    let Driver::DockerTopo(program) = docker_topo() else { unreachable!("it is docker-topo") };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t-down.yml");
    let text = "VERSION: 2\nPUBLISH_BASE: 0\nlinks:\n  - endpoints: [\"veos-a:eth0\", \"host-a:eth0\"]\n  \
        - endpoints: [\"veos-a:eth1\", \"host-a:eth1:10.9.0.1/31\"]\n    driver: veth\n";
    std::fs::write(&file, text).unwrap();
    let topology = Topology::load(&file).unwrap();
    let lab = up(&topology, Driver::BuiltIn, &BTreeMap::new());
    let volumes = Program::new("docker", "find its volumes").unwrap();
    let volumes =
        volumes.args(["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", "t-down_veos-a"]).read().unwrap();
    Program::new(&program, "take it down").unwrap().arg("--destroy").arg(&file).read().unwrap();
    assert!(lab.device("veos-a").unwrap().process().unwrap().is_none());
    // docker-topo leaves nameless volumes where they are, its own too.
    let docker = Program::new("docker", "remove what docker-topo left").unwrap().args(["volume", "rm"]);
    docker.args(volumes.split_whitespace()).read().unwrap();
    support::nothing_is_in_docker("t-down");
}
