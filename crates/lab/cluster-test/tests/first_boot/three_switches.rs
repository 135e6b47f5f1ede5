//! Three switches: workers that enrol by themselves, pods that reach each other, a stock kubectl, and a reboot of all.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use cluster_test::{ClusterIdentity, LabSize, NodeLab, workload};

use crate::support::{HOST, MASTER, eventually_pods, up_with_workload, wait_until_ready};

/// How long pods may take once the nodes are ready.
const PODS: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs root, a Docker engine and the SWIX"]
fn three_switches_become_one_cluster_by_themselves_and_again_after_a_reboot_of_all() {
    let lab = up_with_workload(LabSize::ThreeSwitches, "test-three");
    wait_until_ready(&lab);
    workload::start(&lab.switch(MASTER).unwrap()).unwrap();
    pods_on_all_switches_reach_each_other(&lab);
    a_stock_kubectl_works_from_a_host(&lab);

    let identity = ClusterIdentity::of(&lab.switch(MASTER).unwrap()).unwrap();
    std::thread::scope(|scope| {
        for switch in lab.switches().unwrap() {
            scope.spawn(move || switch.shut_down().unwrap());
        }
    });
    for switch in lab.switches().unwrap() {
        switch.power_on().unwrap();
    }
    wait_until_ready(&lab);
    pods_on_all_switches_reach_each_other(&lab);
    assert_eq!(identity, ClusterIdentity::of(&lab.switch(MASTER).unwrap()).unwrap());
}

/// Every pod asks every other by way of the API server's `exec`, and every switch asks every pod.
pub fn pods_on_all_switches_reach_each_other(lab: &NodeLab) {
    let (master, switches) = (lab.switch(MASTER).unwrap(), lab.switches().unwrap());
    eventually_pods(&master, "a pod on every switch, and all reach each other", PODS, || {
        let pods = workload::ready_pods(&master).ok()?;
        let nodes: BTreeSet<_> = pods.iter().map(|pod| pod.node.as_str()).collect();
        if nodes.len() != switches.len() {
            return None;
        }
        for pod in &pods {
            if !switches.iter().all(|switch| workload::ask(switch, pod).is_ok()) {
                return None;
            }
            for other in &pods {
                let address = format!("{}:{}", other.address, workload::PORT);
                let asked = master.kubectl(&["exec", &pod.name, "--", "/test-pod", "ask", &address]).ok()?;
                if asked.trim() != other.name {
                    return None;
                }
            }
        }
        Some(())
    });
}

/// The one that the build makes for the operator's machine, or `$KOE_KUBECTL`.
fn a_stock_kubectl_works_from_a_host(lab: &NodeLab) {
    let kubectl = std::env::var_os("KOE_KUBECTL").map(PathBuf::from).unwrap_or_else(built_kubectl);
    let directory = tempfile::tempdir().unwrap();
    let admin = directory.path().join("admin.kubeconfig");
    lab.switch(MASTER).unwrap().copy_out(contract::places::ADMIN_KUBECONFIG, &admin).unwrap();
    let host = lab.device(HOST).unwrap();
    host.copy_program_in(&kubectl, "/usr/local/bin/kubectl").unwrap();
    host.copy_in(&admin, "/root/admin.kubeconfig").unwrap();
    let kubectl = |arguments: &[&str]| {
        host.exec_ok([&["kubectl", "--kubeconfig=/root/admin.kubeconfig"][..], arguments].concat()).unwrap()
    };
    let nodes = kubectl(&["get", "nodes", "--no-headers"]);
    assert_eq!(nodes.matches(" Ready ").count(), 3, "{nodes}");
    let pod = kubectl(&["get", "pods", "--output=name"]).lines().next().unwrap().to_owned();
    assert!(kubectl(&["logs", &pod]).starts_with("serving on port 8080\n"));
    assert!(kubectl(&["exec", &pod, "--", "/test-pod", "ask", "127.0.0.1:8080"]).starts_with("probe-"));
}

fn built_kubectl() -> PathBuf {
    swix::dist::program(&swix::dist::directory(), "kubectl", "linux-amd64").expect("no kubectl in $KOE_DIST")
}
