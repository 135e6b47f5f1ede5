//! A worker that is somebody else's by now: root on it has its keys, its cluster.toml and the token. Whoever that is gets what the node
//! is, and nothing beside: no other name at the master, no other node's Secrets, no other Node, no etcd.

mod enrolment;

use std::{net::Ipv4Addr, process::Output, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use contract::{
    Credential,
    places::{KUBECONFIGS, KUBECTL, PKI},
    ports,
};
use serde_json::{Value, json};

use super::rbac::REFUSED;
use crate::{Scene, Switch, manifest, switch, workload};

/// The label of the pods.
const APP: &str = "stranger";

/// What each Secret holds.
const WORD: &str = "kept";

/// From when they are made until the pods are ready.
const RUN: Duration = Duration::from_secs(120);

/// How curl ends where no connection comes about, and where nothing comes back at all.
const CLOSED: [i32; 2] = [7, DROPPED];
const DROPPED: i32 = 28;

/// Where the manifest is on the stranger's switch, until its next boot.
const MANIFEST: &str = "/root/stranger.json";

/// A switch that pods run on, with a pod of its own that has a Secret of its own.
struct Worker<'a> {
    switch: Switch<'a>,
    name: String,
    address: Ipv4Addr,
}

impl<'a> Worker<'a> {
    fn of(scene: &Scene<'a>, switch: Switch<'a>) -> Result<Self> {
        Ok(Worker { name: switch.node_name(), address: scene.address_of(switch.name())?, switch })
    }

    fn secret(&self) -> String {
        format!("of-{}", self.name)
    }

    fn pod(&self) -> String {
        format!("on-{}", self.name)
    }
}

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.cluster.master().address;
    let beside = scene.workers_beside_master()?.into_iter().map(|switch| Worker::of(scene, switch));
    let beside = beside.collect::<Result<Vec<_>>>()?;
    let [worker, other, ..] = beside.as_slice() else { bail!("cluster.toml has too few workers beside the master") };
    let others: Vec<Ipv4Addr> = scene
        .worker_nodes()
        .into_iter()
        .map(|node| node.address)
        .filter(|address| *address != worker.address)
        .collect();
    scene.step("run a pod with a Secret of its own on two workers", |scene| run_pods(scene, [worker, other]))?;
    enrolment::play(scene, worker, other)?;
    scene.step(format!("{}'s kubelet reads the Secret of its own pod", worker.name), |_| {
        let read = as_node(worker, &["get", "secret", &worker.secret(), "--output=jsonpath={.data.word}"])?;
        ensure!(read.status.success(), "it does not: {}", String::from_utf8_lossy(&read.stderr));
        ensure!(read.stdout == b"a2VwdA==", "it reads {}", String::from_utf8_lossy(&read.stdout));
        Ok(())
    })?;
    scene.step("and nothing that is another node's, nor writes it", |_| is_kept_to_its_own(worker, other))?;
    scene.step("none of its certificates opens etcd, or another switch's kubelet", |_| {
        opens_no_kubelet(worker, &others, |argv| worker.switch.exec(argv))?;
        for certificate in certificates() {
            let etcd = format!("https://{master}:{}/version", ports::ETCD);
            is_not_answered(&worker.switch.exec(curl(&certificate, &etcd))?, &etcd)?;
        }
        Ok(())
    })?;
    scene.step("from its pod's network there is no way to enrol, and no more in another switch's kubelet", |_| {
        let process = process_of_pod(worker)?;
        let inside = |argv: Vec<String>| {
            let enter = ["nsenter", "--target", &process, "--net"].map(str::to_owned);
            worker.switch.exec(enter.into_iter().chain(argv))
        };
        // What is asked there arrives at all.
        let api_server = format!("https://{master}:{}/api/v1/secrets", ports::API_SERVER);
        has_code(&inside(curl(&[], &api_server))?, "403", &api_server)?;
        let enrolment = format!("https://{master}:{}/", ports::ENROLMENT);
        is_closed(&inside(curl(&[], &enrolment))?, &enrolment)?;
        opens_no_kubelet(worker, &others, inside)
    })?;
    scene.step("nor to what EOS has for who manages it, at its own switch and at others", |_| {
        let process = process_of_pod(worker)?;
        for address in [worker.address, other.address, master] {
            for (name, _, port) in ports::OF_EOS.into_iter().filter(|(_, protocol, _)| *protocol == "tcp") {
                let url = format!("http://{address}:{port}/");
                let enter = ["nsenter", "--target", &process, "--net"].map(str::to_owned);
                let asked = worker.switch.exec(enter.into_iter().chain(dropped(&url)))?;
                ensure!(asked.status.code() == Some(DROPPED), "{name}, {url}: curl ended with {}", asked.status);
            }
        }
        Ok(())
    })?;
    scene.step(format!("{} is the node that it was", worker.name), |scene| scene.wait_until_nodes_ready(RUN))
}

fn run_pods(scene: &Scene<'_>, workers: [&Worker<'_>; 2]) -> Result<()> {
    let master = scene.master()?;
    let secret = |worker: &Worker<'_>| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": worker.secret()}, "stringData": {"word": WORD}});
    let pod = |worker: &Worker<'_>| workload::pod(&worker.pod(), APP, &worker.name, Some(&worker.secret()));
    let objects: Vec<Value> = workers.iter().flat_map(|worker| [secret(worker), pod(worker)]).collect();
    manifest::apply(&master, APP, &objects)?;
    scene.eventually("they are ready", RUN, || {
        let ready = workload::ready_pods(&master, APP)?;
        ensure!(ready.len() == workers.len(), "{} of {} are", ready.len(), workers.len());
        Ok(())
    })
}

/// What the node authorizer and NodeRestriction keep a kubelet from, and kube-proxy.
fn is_kept_to_its_own(worker: &Worker<'_>, other: &Worker<'_>) -> Result<()> {
    let (secret, pod) = (other.secret(), other.pod());
    // As a kubelet announces a static pod, which nobody else has to agree to.
    let mut elsewhere = workload::pod("planted", APP, &other.name, None);
    elsewhere["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "planted"});
    let here = workload::pod("planted-here", APP, &worker.name, None);
    let planted = json!({"apiVersion": "v1", "kind": "List", "items": [elsewhere, here]});
    switch::put(&worker.switch, planted.to_string(), MANIFEST)?;
    let mine = format!("node-restriction.kubernetes.io/{APP}=here");
    let asked: [&[&str]; 9] = [
        &["get", "secret", &secret],
        &["get", "secrets"],
        &["get", "secrets", "--all-namespaces"],
        &["label", "node", &other.name, "stranger=here"],
        &["label", "node", &worker.name, &mine],
        &["delete", "node", &other.name],
        &["delete", "pod", &pod, "--wait=false"],
        &["create", "--validate=false", "--filename", MANIFEST],
        &["create", "clusterrolebinding", "stranger", "--clusterrole=cluster-admin", "--group=system:nodes"],
    ];
    for arguments in asked {
        is_forbidden(&as_node(worker, arguments)?, &worker.name, arguments)?;
    }
    let arguments: &[&str] = &["get", "secret", &worker.secret()];
    is_forbidden(&kubectl(worker, Credential::KubeProxy, arguments)?, "kube-proxy", arguments)
}

fn is_forbidden(asked: &Output, who: &str, arguments: &[&str]) -> Result<()> {
    let (done, said) = (String::from_utf8_lossy(&asked.stdout), String::from_utf8_lossy(&asked.stderr));
    let arguments = arguments.join(" ");
    ensure!(!asked.status.success() && done.is_empty(), "{who} may {arguments}: {done}");
    ensure!(said.to_lowercase().contains("forbidden"), "{who}, {arguments}: not refused, but {said}");
    Ok(())
}

/// As the switch's own kubelet would.
fn as_node(worker: &Worker<'_>, arguments: &[&str]) -> Result<Output> {
    kubectl(worker, Credential::Node, arguments)
}

fn kubectl(worker: &Worker<'_>, credential: Credential, arguments: &[&str]) -> Result<Output> {
    let kubeconfig = format!("{KUBECONFIGS}/{}", credential.kubeconfig_file());
    let kubectl = [KUBECTL, "--kubeconfig", &kubeconfig, "--namespace", worker.switch.namespace()];
    worker.switch.exec([&kubectl[..], arguments].concat())
}

/// curl's arguments for each certificate that a worker has.
fn certificates() -> [Vec<String>; 2] {
    Credential::WORKER.map(|credential| {
        let file = |name: String| format!("{PKI}/{name}");
        vec!["--cert".to_owned(), file(credential.certificate_file()), "--key".to_owned(), file(credential.key_file())]
    })
}

fn curl(certificate: &[String], url: &str) -> Vec<String> {
    // Most of what is asked is closed, and nobody answers there.
    let limits = ["--connect-timeout", "2", "--max-time", "5"];
    let flags = ["--insecure", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}"];
    let flags = [&["curl"][..], &limits, &flags].concat();
    flags.into_iter().map(str::to_owned).chain(certificate.to_vec()).chain([url.to_owned()]).collect()
}

/// Asks kubelets for their pods, their logs, and to run something in a pod: as nobody and with each certificate. They are for the
/// master alone.
fn opens_no_kubelet(
    worker: &Worker<'_>,
    kubelets: &[Ipv4Addr],
    run: impl Fn(Vec<String>) -> Result<Output>,
) -> Result<()> {
    let exec = format!(
        "exec/{}/{}/{}?command=/test-pod&output=1",
        worker.switch.namespace(),
        worker.pod(),
        workload::CONTAINER
    );
    for kubelet in kubelets {
        for path in ["pods", "logs/", &exec] {
            let url = format!("https://{kubelet}:{}/{path}", ports::KUBELET);
            is_closed(&run(curl(&[], &url))?, &url)?;
            for certificate in certificates() {
                is_closed(&run(curl(&certificate, &url))?, &url)?;
            }
        }
    }
    Ok(())
}

/// A packet that is dropped is waited for; where nobody listens, another answer would come at once.
fn dropped(url: &str) -> Vec<String> {
    ["curl", "--silent", "--max-time", "1", "--output", "/dev/null", url].map(str::to_owned).into()
}

fn is_closed(asked: &Output, url: &str) -> Result<()> {
    let closed = asked.status.code().is_some_and(|code| CLOSED.contains(&code));
    ensure!(closed, "{url}: curl ended with {}, and the port is not closed", asked.status);
    Ok(())
}

fn has_code(asked: &Output, expected: &str, url: &str) -> Result<()> {
    let code = String::from_utf8_lossy(&asked.stdout);
    ensure!(code == expected, "{url} was answered with {code:?}, and not {expected} ({})", asked.status);
    Ok(())
}

fn is_not_answered(asked: &Output, url: &str) -> Result<()> {
    let refused = asked.status.code().is_some_and(|code| REFUSED.contains(&code));
    ensure!(refused, "{url}: curl ended with {}, which is no refusal", asked.status);
    Ok(())
}

/// The first process of the worker's pod, on the switch: its network namespace is the pod's.
fn process_of_pod(worker: &Worker<'_>) -> Result<String> {
    let labels = [
        format!("io.kubernetes.pod.name={}", worker.pod()),
        format!("io.kubernetes.pod.namespace={}", worker.switch.namespace()),
        "io.kubernetes.docker.type=podsandbox".to_owned(),
    ];
    let filters = labels.map(|label| format!("--filter=label={label}"));
    let quiet = ["docker", "ps", "--quiet"].map(str::to_owned);
    let container = worker.switch.exec_ok(quiet.into_iter().chain(filters))?;
    let container = container.lines().next().with_context(|| format!("Docker has no {}", worker.pod()))?;
    let process = worker.switch.exec_ok(["docker", "inspect", "--format={{.State.Pid}}", container])?;
    Ok(process.trim().to_owned())
}
