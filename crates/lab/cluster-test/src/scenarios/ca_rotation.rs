//! The cluster's certificate authority is replaced by the operator's word, while Services answer and everybody goes on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::places::{K8S_NODE, KUBELET, PKI};

use super::pods;
use crate::{
    Scene, Switch,
    answering::{self, ANY_POD, OWN_POD, asks_own_pod},
    operator::Operator,
    scene::BRING_UP,
    workload,
};

/// What a pod that reads its authority and its token once has of them.
const POD: &str = "/tmp/ca-rotation";

/// How long kubelet may take to bring a Secret's new content to the pods that have it as files.
const BROUGHT: Duration = Duration::from_secs(180);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("a Service answers at every worker", |scene| answering::start(scene))?;
    rotated(scene)?;
    scene.step("the Service answers at every worker", |scene| answering::wait(scene))
}

fn rotated(scene: &mut Scene<'_>) -> Result<()> {
    let nodes = scene.worker_nodes();
    let questions = answering::questions(scene, nodes.iter().map(|node| node.name.as_str()), &[ANY_POD, OWN_POD])?;
    answering::while_asked(scene, &questions, |scene, answers| {
        replaced(scene)?;
        // Kubernetes 1.20's kubelet counts pods with readiness probes as not ready when it is restarted, until it has asked them.
        scene.step(
            "every question to a Service was answered, but where only the switch's own pod may answer",
            |scene| {
                let count = answers.none_failed(|answer| !asks_own_pod(answer))?;
                scene.figure(
                    "answers around a CA rotation",
                    count as f64,
                    "",
                    "none of the questions to any pod failed",
                );
                let (failed, _) = answers.failed();
                let what = "questions with externalTrafficPolicy Local that failed, as kubelets were restarted";
                scene.figure("unanswered around a CA rotation", failed as f64, "", what);
                Ok(())
            },
        )
    })?;
    scene.step("every kubelet takes orders: a new pod runs on every worker, and answers to logs and exec", |scene| {
        let master = scene.master()?;
        for pod in pods::on_every_worker(scene)? {
            ensure!(master.kubectl(&["logs", &pod.name])?.starts_with("serving"), "{} has no logs", pod.name);
            master.kubectl(&["exec", &pod.name, "--", "/test-pod", "ask", &format!("127.0.0.1:{}", workload::PORT)])?;
        }
        workload::stop(&master)
    })
}

fn replaced(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    let workers = scene.workers_beside_master()?;
    let worker = *workers.first().context("cluster.toml has no worker beside the master")?;
    let api = scene.cluster.api_server_url();
    let old = issuers(&[vec![master], workers.clone()].concat())?;
    let operator = scene.step("keep what a pod, and an administrator, know of the authority", |scene| {
        worker.sh(&format!(
            "mkdir -p {POD}; for found in {KUBELET}/pods/*/volumes/kubernetes.io~secret/*; do cp -L $found/ca.crt $found/token {POD}; done"
        ))?;
        by_token(&worker, POD, &api)?;
        Operator::of(scene)
    })?;
    scene.step("`k8s-node rotate-ca finish` has nothing to finish", |_| {
        let said = master.exec([K8S_NODE, "rotate-ca", "finish"])?;
        ensure!(!said.status.success(), "it says {}", String::from_utf8_lossy(&said.stdout));
        Ok(())
    })?;
    scene.step("say `k8s-node rotate-ca begin` on the master", |scene| {
        master.exec_ok([K8S_NODE, "rotate-ca", "begin"])?;
        scene.wait_until_nodes_ready(BRING_UP)
    })?;
    scene.step(
        "who knows the old authority alone goes on: a pod by its token, an administrator by a kubeconfig",
        |_| {
            by_token(&worker, POD, &api)?;
            operator.kubectl(&["get", "nodes"]).map(drop)
        },
    )?;
    scene.step("the old one stays while workers would be cut off, and they are named", |_| {
        let refused = master.exec([K8S_NODE, "rotate-ca", "finish"])?;
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success(), "it was finished");
        for worker in &workers {
            ensure!(why.contains(worker.name()), "{} is not named: {why}", worker.name());
        }
        Ok(())
    })?;
    scene.step("the renewal of every worker brings it over", |scene| {
        for worker in &workers {
            worker.exec_ok([K8S_NODE, "renew"])?;
        }
        let said = master.exec_ok([K8S_NODE, "rotate-ca"])?;
        ensure!(said.contains("every node has changed over"), "it says {said}");
        scene.wait_until_nodes_ready(BRING_UP)
    })?;
    scene.step("every certificate of a node has another issuer", |_| {
        let new = issuers(&[vec![master], workers.clone()].concat())?;
        ensure!(new.windows(2).all(|two| two[0] == two[1]) && new[0] != old[0], "they were {old:?} and are {new:?}");
        Ok(())
    })?;
    scene.step("pods find both authorities beside their tokens", |scene| {
        let count = format!("grep -c BEGIN {KUBELET}/pods/*/volumes/kubernetes.io~secret/*/ca.crt");
        scene.eventually("every file has three certificates", BROUGHT, || {
            let counts = worker.sh(&count)?;
            ensure!(counts.lines().all(|line| line == "3" || line.ends_with(":3")), "they have {counts}");
            Ok(())
        })
    })?;
    scene.step("say `k8s-node rotate-ca finish` on the master, and have every worker renew", |scene| {
        master.exec_ok([K8S_NODE, "rotate-ca", "finish"])?;
        for worker in &workers {
            worker.exec_ok([K8S_NODE, "renew"])?;
        }
        scene.wait_until_nodes_ready(BRING_UP)
    })?;
    scene.step("the old authority opens nothing: neither for the pod nor for the administrator", |scene| {
        ensure!(by_token(&worker, POD, &api).is_err(), "who knows the old authority alone is answered");
        ensure!(operator.kubectl(&["get", "nodes"]).is_err(), "the old kubeconfig is good");
        // The new one is.
        Operator::of(scene)?.kubectl(&["get", "nodes"]).map(drop)
    })?;
    scene.step("a pod's token is good with the authority that it finds now", |scene| {
        scene.eventually("the API server answers", BROUGHT, || {
            worker.sh(&format!(
                "for found in {KUBELET}/pods/*/volumes/kubernetes.io~secret/*; do cp -L $found/ca.crt $found/token {POD}; done"
            ))?;
            ensure!(worker.sh(&format!("grep -c BEGIN {POD}/ca.crt"))?.trim() == "1", "it has the old one yet");
            by_token(&worker, POD, &api)
        })?;
        worker.exec_ok(["rm", "-r", POD]).map(drop)
    })
}

/// Asks the API server as a pod does that has its files there.
fn by_token(worker: &Switch<'_>, files: &str, api: &str) -> Result<()> {
    let asked = worker.sh(&format!(
        "curl --silent --show-error --max-time 10 --cacert {files}/ca.crt --header \"Authorization: Bearer $(cat {files}/token)\" {api}/api"
    ))?;
    ensure!(asked.contains("APIVersions"), "the API server says {asked}");
    Ok(())
}

/// Of each switch's own certificate, as openssl has it.
fn issuers(switches: &[Switch<'_>]) -> Result<Vec<String>> {
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let file = directory.path().join("node.pem");
    let of = |switch: &Switch<'_>| {
        common::files::write_atomically(&file, switch.exec_ok(["cat", &format!("{PKI}/node.pem")])?)?;
        crate::state::openssl(&["x509", "-noout", "-issuer", "-in"], &file)
    };
    switches.iter().map(of).collect()
}
