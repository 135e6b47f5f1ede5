//! flannel in the place of the bring-up's routes to other switches' pods.
//!
//! It keeps to the network that all switches' management ports are on: its vxlan goes out of one interface, and a switch
//! has several that lead to others.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, ensure};
use cluster::Node;
use common::errors;
use contract::{
    Stage,
    places::{FLANNELD, K8S_NODE},
};

use crate::{Scene, Switch, answering, scene::BRING_UP, switch::put};

/// Where one is put that was given.
const COPIED: &str = "/root/flanneld";
const UNIT: &str = "flanneld-of-topo-test";
const INTERFACE: &str = "flannel.1";
/// Another one than ours, which the firewall has for nodes' own addresses.
const PORT: u16 = 8473;
const CONFIG: &str = "/etc/kube-flannel/net-conf.json";
const KUBECONFIG: &str = "/root/flanneld.kubeconfig";

/// How long the routes of the switches to each other's pods may take.
const ROUTED: Duration = Duration::from_secs(60);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    answering::outlived(scene, by_flannel)
}

fn by_flannel(scene: &mut Scene<'_>) -> Result<()> {
    let given = scene.parts.flanneld.clone();
    let switches = scene.workers()?;
    let played = with_flannel(scene, &switches, given);
    let gone = scene.step("take flannel away, and bring the routes back", |scene| {
        errors::all(switches.iter().map(|switch| without_flannel(scene, switch)))?;
        scene.wait_until_nodes_ready(BRING_UP)
    });
    errors::both(played, gone)
}

fn with_flannel(scene: &mut Scene<'_>, switches: &[Switch<'_>], given: Option<PathBuf>) -> Result<()> {
    scene.step("give every node its range of pods, which flannel takes from there", |scene| {
        let master = scene.master()?;
        for node in scene.worker_nodes() {
            let patch = serde_json::json!({"spec": {"podCIDR": node.pod_cidr, "podCIDRs": [node.pod_cidr]}});
            let name = scene.switch(&node.name)?.node_name();
            master.kubectl(&["patch", "node", &name, "--patch", &patch.to_string()])?;
        }
        Ok(())
    })?;
    for switch in switches {
        scene.step(format!("start flanneld on {}, and take its routes away", switch.name()), |scene| {
            // It would bring the routes back, where flannel's come later.
            switch.exec_ok([K8S_NODE, "pause", "30m"])?;
            start(scene, switch, given.as_deref())?;
            without_routes(scene, switch)
        })?;
    }
    scene.step("every switch has flannel's routes to the others' pods", |scene| {
        for switch in switches {
            for other in others(scene, switch) {
                let range = other.pod_cidr.to_string();
                scene.eventually(&format!("{}'s route to {range} is flannel's", switch.name()), ROUTED, || {
                    let routes = switch.exec_ok(["ip", "-4", "route", "show", "exact", &range])?;
                    ensure!(routes.lines().count() == 1 && routes.contains(INTERFACE), "there is {routes:?}");
                    Ok(())
                })?;
            }
        }
        Ok(())
    })?;
    scene.step("the Service answers at every worker, from every switch's pods", |scene| answering::wait(scene))
}

fn start(scene: &Scene<'_>, switch: &Switch<'_>, given: Option<&Path>) -> Result<()> {
    let program = match given {
        Some(file) => {
            switch.copy_program_in(file, COPIED)?;
            COPIED
        }
        None => FLANNELD,
    };
    let config = serde_json::json!({"Network": scene.cluster.pod_cidr, "Backend": {"Type": "vxlan", "Port": PORT}});
    switch.exec_ok(["mkdir", "-p", "/etc/kube-flannel"])?;
    put(switch, config.to_string(), CONFIG)?;
    put(switch, scene.master()?.admin_kubeconfig()?, KUBECONFIG)?;
    let interface = format!("--iface={}", switch.management_address()?);
    let node = format!("--setenv=NODE_NAME={}", switch.node_name());
    let unit = format!("--unit={UNIT}");
    let kubeconfig = format!("--kubeconfig-file={KUBECONFIG}");
    // It does not end by itself when it is told to.
    let kill = "--property=KillSignal=SIGKILL";
    let run = ["systemd-run", &unit, kill, &node, program, "--kube-subnet-mgr", &kubeconfig, &interface];
    switch.exec_ok(run).map(drop)
}

fn without_flannel(scene: &Scene<'_>, switch: &Switch<'_>) -> Result<()> {
    // What did not come to be there need not be taken away.
    switch.exec(["systemctl", "stop", UNIT])?;
    switch.exec(["systemctl", "reset-failed", UNIT])?;
    switch.exec(["ip", "link", "delete", INTERFACE])?;
    let range = scene.cluster.pod_cidr.to_string();
    for direction in ["-s", "-d"] {
        switch.exec(["iptables", "-w", "-D", "FORWARD", direction, &range, "-j", "ACCEPT"])?;
    }
    switch.exec_ok(["rm", "-rf", "/etc/kube-flannel", COPIED, KUBECONFIG])?;
    switch.exec_ok([K8S_NODE, "stage", Stage::Routes.name()])?;
    switch.exec_ok([K8S_NODE, "resume"]).map(drop)
}

/// Takes those of the bring-up away, whichever way they go.
fn without_routes(scene: &Scene<'_>, switch: &Switch<'_>) -> Result<()> {
    for other in others(scene, switch) {
        let range = other.pod_cidr.to_string();
        let by_vxlan = switch.exec(["ip", "-4", "route", "del", &range, "dev", cluster::VXLAN])?;
        if !by_vxlan.status.success() {
            switch.cli(&format!("enable\nconfigure\nno ip route {range} {}", other.address))?;
        }
    }
    Ok(())
}

fn others<'a>(scene: &Scene<'a>, switch: &Switch<'_>) -> Vec<&'a Node> {
    scene.worker_nodes().into_iter().filter(|node| node.name != switch.name()).collect()
}
