//! One switch, from power-on to a cluster that works, and back.

use std::time::Duration;

use cluster_test::{LabSize, NodeLab, Switch, workload};
use contract::{
    places, ports,
    status::{StageState, Status},
};

use crate::{
    support::{HOST, MASTER, eventually, eventually_pods, up_with_workload, wait_until_ready},
    uninstall,
};

#[test]
#[ignore = "needs root, a Docker engine and the SWIX"]
fn a_switch_comes_up_as_a_cluster_by_itself_and_is_a_plain_switch_again_after_removal() {
    let lab = up_with_workload(LabSize::OneSwitch, "test-one");
    wait_until_ready(&lab);
    let switch = lab.switch(MASTER).unwrap();
    every_component_is_healthy(&switch);
    the_api_server_answers_from_the_network(&lab);
    secrets_are_stored_encrypted(&switch);
    a_pod_of_an_image_on_flash_runs_and_answers(&switch);
    conntrack_is_left_alone(&switch);
    a_second_bring_up_changes_nothing(&switch);
    uninstall::leaves_nothing_but_the_flash(&switch);
}

fn every_component_is_healthy(switch: &Switch) {
    let listed = switch.kubectl_json(&["get", "componentstatuses"]).unwrap();
    let components = listed["items"].as_array().unwrap();
    assert!(components.len() >= 3, "{listed}");
    for component in components {
        let condition = &component["conditions"][0];
        assert_eq!((&condition["type"], &condition["status"]), (&"Healthy".into(), &"True".into()), "{component}");
    }
    let nodes = switch.kubectl(&["get", "nodes", "--no-headers"]).unwrap();
    assert!(nodes.starts_with("veos-b ") && nodes.contains(" Ready "), "{nodes}");
}

fn the_api_server_answers_from_the_network(lab: &NodeLab) {
    let host = lab.device(HOST).unwrap();
    let curl = |more: &[&str]| host.exec_ok([&["curl", "-k", "--silent", "--max-time", "10"][..], more].concat());
    let api_server = format!("https://1.1.1.1:{}", ports::API_SERVER);
    let version: serde_json::Value = serde_json::from_str(&curl(&[&format!("{api_server}/version")]).unwrap()).unwrap();
    assert_eq!((&version["gitVersion"], &version["platform"]), (&"v1.20.2".into(), &"linux/386".into()));
    let secrets = format!("{api_server}/api/v1/secrets");
    let code = curl(&["--output", "/dev/null", "--write-out", "%{http_code}", &secrets]).unwrap();
    assert_eq!(code, "403", "who has no certificate may read nothing");
    let etcd = format!("https://1.1.1.1:{}/health", ports::ETCD);
    for closed in ["http://1.1.1.1:8080/", "http://1.1.1.1:10255/pods", &etcd] {
        assert!(curl(&[closed]).is_err(), "{closed} answers");
    }
}

fn secrets_are_stored_encrypted(switch: &Switch) {
    let word = "to-be-found-nowhere";
    switch.kubectl(&["create", "secret", "generic", "hidden", &format!("--from-literal=word={word}")]).unwrap();
    let stored = switch.etcd_value("/registry/secrets/default/hidden").unwrap();
    assert!(
        stored.starts_with(b"k8s:enc:aescbc:v1:"),
        "{:?}",
        String::from_utf8_lossy(&stored[..stored.len().min(40)])
    );
    assert!(!stored.windows(word.len()).any(|part| part == word.as_bytes()));
    let read = switch.kubectl_json(&["get", "secret", "hidden"]).unwrap();
    assert_eq!(read["data"]["word"], "dG8tYmUtZm91bmQtbm93aGVyZQ==", "{read}");
}

fn a_pod_of_an_image_on_flash_runs_and_answers(switch: &Switch) {
    workload::start(switch).unwrap();
    let pod = eventually_pods(switch, "the pod is ready", Duration::from_secs(90), || {
        workload::ready_pods(switch).ok()?.pop()
    });
    eventually("the pod answers", Duration::from_secs(20), || workload::ask(switch, &pod).ok());
    let logs = switch.kubectl(&["logs", &pod.name]).unwrap();
    assert!(logs.starts_with("serving on port 8080\n"), "{logs}");
    let own = format!("{}:{}", pod.address, workload::PORT);
    let asked = switch.kubectl(&["exec", &pod.name, "--", "/test-pod", "ask", &own]).unwrap();
    assert_eq!(asked.trim(), pod.name);
}

/// On EOS writing either of these takes the switch down; the stand-in keeps what was written.
fn conntrack_is_left_alone(switch: &Switch) {
    let kept =
        switch.sh("cat /sys/module/nf_conntrack/parameters/hashsize /proc/sys/net/netfilter/nf_conntrack_max").unwrap();
    assert_eq!(kept, "8192\n262144\n");
}

/// What a bring-up could change: processes, files on the flash, packet filter, routes.
fn everything(switch: &Switch) -> String {
    let lines = switch
        .sh(&format!(
            "for unit in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy docker; do
                 systemctl show --property=Id,MainPID $unit
             done
             cd {}
             find pki kubeconfigs admin.kubeconfig encryption-config.yaml images -type f -printf '%p %s %m %T@\n' | sort
             iptables-save | sed -n -e 's/ \\[[0-9:]*\\]$//' -e '/^[-:*]/p'
             ip -4 route show table all",
            places::STATE
        ))
        .unwrap();
    assert!(!lines.contains("MainPID=0"), "{lines}");
    lines
}

fn a_second_bring_up_changes_nothing(switch: &Switch) {
    let before = everything(switch);
    switch.exec_ok(["systemctl", "restart", "kubernetes-on-eos"]).unwrap();
    let done =
        |status: &Status| status.is_ready() && status.stages.iter().all(|stage| stage.record.state == StageState::Done);
    switch.wait_for(Duration::from_secs(60), "ready again", done).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(before, everything(switch));
}
