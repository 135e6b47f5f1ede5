//! A worker is compromised: whoever has it has its keys and certificates, and the token. The operator revokes its name.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contract::{
    Credential,
    places::{self, K8S_NODE, KUBECTL, PKI},
    ports,
    services::BOOTSTRAP,
};
use serde_json::json;

use super::pods;
use crate::{Scene, Switch, manifest, scene::BRING_UP, workload};

const READER: &str = "reader";
const SECRET: &str = "of-its-pod";

/// What the clause allows.
const SOON: Duration = Duration::from_secs(60);

/// For as long a kubelet goes on trying to make its Node again.
const QUIET: Duration = Duration::from_secs(20);

const WATCH: &str = "/root/watch";

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    let worker = scene.workers_beside_master()?.pop().context("cluster.toml has no worker beside the master")?;
    let name = worker.name();
    scene.step("a pod on every worker uses a Secret, which the worker's own credentials read and watch", |scene| {
        master.kubectl(&["create", "secret", "generic", SECRET, "--from-literal=word=hidden"])?;
        let mut pods = workload::daemon_set(READER);
        pods["spec"]["template"]["spec"]["volumes"] = json!([{"name": "secret", "secret": {"secretName": SECRET}}]);
        manifest::apply(&master, READER, &[pods])?;
        scene.eventually("the pods are ready", BRING_UP, || pods::on_each_worker(scene, READER))?;
        ensure!(as_node(&worker, &["get", "secret", SECRET])?.contains(SECRET), "it does not read it");
        as_proxy(&worker)?;
        watch(&worker)
    })?;
    let began = Instant::now();
    scene.step(format!("say `k8s-node revoke {name}` on the master"), |_| {
        let said = master.exec_ok([K8S_NODE, "revoke", name])?;
        for word in ["is revoked", "answers again", SECRET, &format!("kubectl delete node {}", worker.node_name())] {
            ensure!(said.contains(word), "{word} is not in what it says: {said}");
        }
        Ok(())
    })?;
    scene.step("its credentials read nothing any more, and what was open has ended", |scene| {
        scene.eventually("its credentials are refused", SOON, || refused(&worker))?;
        scene.eventually("its watch has ended", SOON, || watch_has_ended(&worker))
    })?;
    let took = began.elapsed();
    scene.figure(
        "revocation of a worker",
        took.as_secs_f64(),
        "s",
        "from the operator's word until its credentials and watches are of no use",
    );
    ensure!(took < SOON, "that took {} s", took.as_secs());
    scene.step("its Node, once deleted, is not made again, whatever its kubelet does", |scene| {
        master.kubectl(&["delete", "node", &worker.node_name()])?;
        worker.sh("systemctl restart kubelet")?;
        scene.pause(QUIET)?;
        let left = master.kubectl(&["get", "node", &worker.node_name(), "--ignore-not-found", "--output=name"])?;
        ensure!(left.is_empty(), "it is there again");
        Ok(())
    })?;
    scene.step("kubelets of others do nothing for it", |scene| {
        for other in scene.worker_nodes().into_iter().filter(|node| node.name != name) {
            let url = format!("https://{}:{}/pods", other.address, ports::KUBELET);
            let certificate = format!("--cert {PKI}/node.pem --key {PKI}/node-key.pem");
            // The firewall has them for the master alone; where a cluster of before is open, they say no.
            let code =
                worker.sh(&format!("curl --insecure --silent --max-time 5 {certificate} --output /dev/null --write-out '%{{http_code}}' {url} || true"))?;
            ensure!(["000", "401", "403"].contains(&code.trim()), "{} answers it with {code}", other.name);
        }
        Ok(())
    })?;
    scene.step("the master signs nothing for it, and its status says why", |scene| {
        worker.sh(&format!("mkdir /root/kept; mv {PKI}/node.pem {PKI}/kube-proxy.pem /root/kept"))?;
        let renewed = worker.exec([K8S_NODE, "renew"])?;
        ensure!(!renewed.status.success(), "it was renewed");
        scene.eventually("its status says why", SOON, || {
            let complaints = worker.status()?.complaints();
            ensure!(complaints.contains("is revoked on the master"), "it says {complaints}");
            Ok(())
        })?;
        worker.sh(&format!("mv /root/kept/* {PKI}")).map(drop)
    })?;
    scene.step("the audit log names what it has read, and not what that holds", |_| {
        let log = master.sh(&format!("cat {}", places::AUDIT_LOG))?;
        let user = format!("system:node:{name}");
        let line = log.lines().find(|line| line.contains(&user) && line.contains(SECRET));
        ensure!(line.is_some(), "there is no line of {user} and {SECRET}");
        ensure!(!log.contains("aGlkZGVu"), "the Secret's contents are in it");
        let acts = master.sh(&format!("cat {}", places::ENROLMENT_LOG))?;
        for act in ["\"revoked\"", "\"declined\"", "\"issued\""] {
            ensure!(acts.contains(act), "no {act} in {acts}");
        }
        Ok(())
    })?;
    scene.step("undone, it comes back by itself", |scene| {
        let said = master.exec_ok([K8S_NODE, "revoke", name, "--undo"])?;
        ensure!(said.contains("is revoked no more"), "it says {said}");
        worker.sh(&format!("systemctl restart kubelet kube-proxy {BOOTSTRAP}"))?;
        scene.wait_until_nodes_ready(BRING_UP)?;
        as_node(&worker, &["get", "node", &worker.node_name()]).map(drop)
    })
}

/// kubectl with a kubeconfig of the switch's own.
fn asked(switch: &Switch<'_>, credential: Credential, arguments: &[&str]) -> Result<String> {
    let kubeconfig = format!("{}/{}", places::KUBECONFIGS, credential.kubeconfig_file());
    let kubectl = [KUBECTL, "--kubeconfig", &kubeconfig, "--namespace", switch.namespace()];
    switch.exec_ok([&kubectl[..], arguments].concat())
}

fn as_node(switch: &Switch<'_>, arguments: &[&str]) -> Result<String> {
    asked(switch, Credential::Node, arguments)
}

fn as_proxy(switch: &Switch<'_>) -> Result<String> {
    asked(switch, Credential::KubeProxy, &["get", "services", "--all-namespaces"])
}

fn refused(worker: &Switch<'_>) -> Result<()> {
    for (what, asked) in [
        ("a Secret", as_node(worker, &["get", "secret", SECRET])),
        ("its Node", as_node(worker, &["get", "node", &worker.node_name()])),
        ("Services", as_proxy(worker)),
    ] {
        match asked {
            Ok(_) => bail!("it reads {what}"),
            Err(error) => {
                let said = format!("{error:#}");
                ensure!(said.contains("Unauthorized") || said.contains("logged in"), "{what}: not refused, but {said}");
            }
        }
    }
    Ok(())
}

/// Begins to watch the Secret, and goes on for as long as that lasts.
fn watch(worker: &Switch<'_>) -> Result<()> {
    let kubeconfig = format!("{}/{}", places::KUBECONFIGS, Credential::Node.kubeconfig_file());
    let watch = format!(
        "{KUBECTL} --kubeconfig {kubeconfig} --namespace {} get secret {SECRET} --watch-only --output=name",
        worker.namespace()
    );
    worker.sh(&format!(
        "rm -f {WATCH}; nohup sh -c '{watch}; echo ended >>{WATCH}' >{WATCH} 2>&1 </dev/null & sleep 2"
    ))?;
    let said = worker.sh(&format!("cat {WATCH}"))?;
    ensure!(!said.contains("ended"), "it could not be watched: {said}");
    Ok(())
}

fn watch_has_ended(worker: &Switch<'_>) -> Result<()> {
    ensure!(worker.sh(&format!("cat {WATCH}"))?.contains("ended"), "it goes on");
    Ok(())
}
