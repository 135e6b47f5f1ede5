//! The image that test pods run: the `probe` program alone, as an operator's archive for the switches' flash.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::command::Program;
use serde_json::{Value, json};

use crate::{Switch, asking::Protocol, manifest};

const IMAGE: &str = "example.com/probe:1";

/// The pods' only container.
pub const CONTAINER: &str = "probe";

/// Where the pods answer.
pub const PORT: u16 = 8080;

/// Of the pods on all workers.
pub const NAME: &str = "probe";

/// A pod that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub node: String,
    pub address: IpAddr,
}

/// Builds the program and packs it, with the Docker engine of this machine, as `docker save` does.
pub fn archive(repository: &Path, directory: &Path) -> Result<PathBuf> {
    let program = devices::images::program::build("test-pod", repository, &directory.join("log"))?;
    let (tar, archive) = (directory.join("root.tar"), directory.join("probe.tar"));
    let parent = program.parent().context("the program is in no directory")?;
    Program::new("tar", "pack the test image")?
        .args(["--create", "--owner=0", "--group=0", "--file"])
        .arg(&tar)
        .arg("--directory")
        .arg(parent)
        .arg("test-pod")
        .read()?;
    devices::images::archive::write(&tar, r#"ENTRYPOINT ["/test-pod"]"#, IMAGE, &archive)?;
    Ok(archive)
}

/// A pod on every worker, ready once it answers.
pub fn daemon_set(name: &str) -> Value {
    let ready = json!({"tcpSocket": {"port": PORT}, "periodSeconds": 2});
    pods("DaemonSet", name, json!({}), json!({}), json!({"readinessProbe": ready}))
}

/// So many pods, as many on one worker as on another.
pub fn deployment(name: &str, replicas: usize) -> Value {
    let spread = json!({
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": name}},
    });
    let spec = json!({"automountServiceAccountToken": false, "topologySpreadConstraints": [spread]});
    pods("Deployment", name, json!({"replicas": replicas}), spec, json!({}))
}

/// One pod, on this node; with a Secret's contents at /secret.
pub fn pod(name: &str, app: &str, node: &str, secret: Option<&str>) -> Value {
    let (mounts, volumes) = match secret {
        Some(secret) => (
            json!([{"name": "secret", "mountPath": "/secret", "readOnly": true}]),
            json!([{"name": "secret", "secret": {"secretName": secret}}]),
        ),
        None => (json!([]), json!([])),
    };
    let spec = json!({"nodeName": node, "automountServiceAccountToken": false, "volumes": volumes});
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": with(pod_spec(json!({"volumeMounts": mounts})), spec),
    })
}

/// What every test pod runs.
fn pod_spec(container: Value) -> Value {
    let runs =
        json!({"name": CONTAINER, "image": IMAGE, "imagePullPolicy": "Never", "args": ["serve", PORT.to_string()]});
    json!({"terminationGracePeriodSeconds": 1, "containers": [with(runs, container)]})
}

/// What makes pods that answer with their names.
fn pods(kind: &str, name: &str, spec: Value, pod: Value, container: Value) -> Value {
    let labels = json!({"app": name});
    let pod_spec = pod_spec(container);
    let template = json!({"metadata": {"labels": labels}, "spec": with(pod_spec, pod)});
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        "spec": with(json!({"selector": {"matchLabels": labels}, "template": template}), spec),
    })
}

/// Leads to an app's pods; with node ports, one for each of these.
pub fn service(name: &str, app: &str, node_ports: &[(Protocol, u16)], spec: Value) -> Value {
    let to_pods = |number: usize, protocol: Protocol| json!({"name": format!("port-{number}"), "port": 80, "protocol": protocol.name(), "targetPort": PORT});
    let outside = |(number, (protocol, port)): (usize, &(Protocol, u16))| {
        with(to_pods(number, *protocol), json!({"nodePort": port}))
    };
    let (kind, ports) = match node_ports {
        [] => ("ClusterIP", vec![to_pods(0, Protocol::Tcp)]),
        ports => ("NodePort", ports.iter().enumerate().map(outside).collect()),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": with(json!({"type": kind, "selector": {"app": app}, "ports": ports}), spec),
    })
}

/// An object with the members of another one, too.
fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut object, more) {
        members.extend(more);
    }
    object
}

/// Has a pod made on every worker.
pub fn start(master: &Switch) -> Result<()> {
    manifest::apply(master, NAME, &[daemon_set(NAME)])
}

/// Takes the pods away. They are named beside their owner, as the garbage collector of a control plane that has just begun
/// finds them half a minute later; and by force, as kubelet takes 10 s and more to say that they are gone.
pub fn stop(master: &Switch) -> Result<()> {
    master.kubectl(&["delete", "daemonset", "probe"])?;
    master.kubectl(&["delete", "pods", "--selector=app=probe", "--force", "--grace-period=0"]).map(drop)
}

/// The pods of an app that are ready now.
pub fn ready_pods(master: &Switch, app: &str) -> Result<Vec<Pod>> {
    let listed = master.kubectl_json(&["get", "pods", &format!("--selector=app={app}")])?;
    let items = listed["items"].as_array().context("kubectl listed no items")?;
    let pod = |item: &serde_json::Value| -> Option<Pod> {
        let conditions = item["status"]["conditions"].as_array()?;
        conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "True")?;
        Some(Pod {
            name: item["metadata"]["name"].as_str()?.to_owned(),
            node: item["spec"]["nodeName"].as_str()?.to_owned(),
            address: item["status"]["podIP"].as_str()?.parse().ok()?,
        })
    };
    Ok(items.iter().filter_map(pod).collect())
}

/// What the cluster says of its nodes and pods, for the word on a pod that did not come.
pub fn story(master: &Switch) -> String {
    let told = |arguments: &[&str]| master.kubectl(arguments).unwrap_or_else(|error| format!("{error:#}\n"));
    [
        told(&["get", "nodes,pods", "--output=wide"]),
        told(&["get", "nodes", "--output=custom-columns=NODE:.metadata.name,TAINTS:.spec.taints[*].key"]),
        told(&["get", "events", "--sort-by=.lastTimestamp"]),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_found_by_their_service_and_each_node_port_leads_to_them() {
        let pods = deployment("served", 3);
        assert_eq!((&pods["kind"], &pods["spec"]["replicas"]), (&json!("Deployment"), &json!(3)));
        let service = service("sticky", "served", &[(Protocol::Tcp, 31091), (Protocol::Udp, 31092)], json!({"a": "b"}));
        let labels = &pods["spec"]["template"]["metadata"]["labels"];
        assert_eq!((labels, &pods["spec"]["selector"]["matchLabels"]), (&service["spec"]["selector"], labels));
        let ports = service["spec"]["ports"].as_array().unwrap();
        let told: Vec<_> =
            ports.iter().map(|port| (&port["protocol"], &port["nodePort"], &port["targetPort"])).collect();
        let (tcp, udp, target) = (json!("TCP"), json!("UDP"), json!(PORT));
        assert_eq!(told, [(&tcp, &json!(31091), &target), (&udp, &json!(31092), &target)]);
        assert_ne!(ports[0]["name"], ports[1]["name"]);
        assert_eq!((&service["spec"]["type"], &service["spec"]["a"]), (&json!("NodePort"), &json!("b")));
    }
}
