//! Who may do what: the API server at the kubelets, a node at Secrets, and a stranger.

use anyhow::{Context, Result, ensure};
use contract::{Credential, places, ports};

use super::pods;
use crate::{Scene, Switch, workload};

const SECRET: &str = "for-no-pod";

/// How curl ends where nobody listens or answers, or whoever does breaks the connection off.
const REFUSED: [i32; 6] = [7, 28, 35, 52, 55, 56];

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    scene.step("the API server reads logs and runs commands by every kubelet", |scene| {
        let pods = pods::on_every_worker(scene)?;
        for pod in pods {
            let logs = master.kubectl(&["logs", &pod.name])?;
            ensure!(logs.starts_with("serving on port 8080\n"), "{} has other logs: {logs}", pod.name);
            let own = format!("{}:{}", pod.address, workload::PORT);
            let asked = master.kubectl(&["exec", &pod.name, "--", "/test-pod", "ask", &own])?;
            ensure!(asked.trim() == pod.name, "{} is answered by {asked}", pod.name);
        }
        Ok(())
    })?;
    scene.step("a node may read its own Node object, and no Secret that no pod of its uses", |scene| {
        master.kubectl(&["create", "secret", "generic", SECRET, "--from-literal=word=hidden"])?;
        scene.workers()?.iter().try_for_each(node_is_limited)
    })?;
    scene.step("a stranger gets nothing", |scene| {
        for host in scene.hosts() {
            for path in ["/api/v1/secrets", "/api/v1/nodes", "/apis/apps/v1/deployments"] {
                let url = format!("{}{path}", scene.cluster.api_server_url());
                let output = ["--output", "/dev/null", "--write-out", "%{http_code}", &url];
                let code =
                    host.exec_ok([&["curl", "--insecure", "--silent", "--max-time", "10"][..], &output].concat())?;
                ensure!(code == "403", "{} asked for {path}, and the answer was {code}", host.name());
            }
        }
        Ok(())
    })?;
    scene.step("what is for no stranger does not answer one", |scene| {
        let master = scene.cluster.master().address;
        let etcd = format!("https://{master}:{}/health", ports::ETCD);
        for host in scene.hosts() {
            for closed in [format!("http://{master}:8080/"), format!("http://{master}:10255/pods"), etcd.clone()] {
                let asked = host.exec(["curl", "--insecure", "--silent", "--max-time", "10", &closed])?;
                ensure!(!asked.status.success(), "{} is answered by {closed}", host.name());
                let refused = asked.status.code().is_some_and(|code| REFUSED.contains(&code));
                ensure!(refused, "curl on {} ended with {}, which is no refusal", host.name(), asked.status);
            }
        }
        Ok(())
    })
}

/// Asks as the switch's own kubelet would.
fn node_is_limited(switch: &Switch<'_>) -> Result<()> {
    let kubeconfig = format!("{}/{}", places::KUBECONFIGS, Credential::Node.kubeconfig_file());
    let asked = |what: &[&str]| {
        switch.exec(
            [&[places::KUBECTL, "--kubeconfig", &kubeconfig, "--namespace", switch.namespace(), "get"][..], what]
                .concat(),
        )
    };
    let own = asked(&["node", &switch.node_name()])?;
    let said = String::from_utf8_lossy(&own.stderr).into_owned();
    ensure!(own.status.success(), "{} may not read its own Node object: {said}", switch.name());
    for what in [&["secret", SECRET][..], &["secrets", "--all-namespaces"]] {
        let output = asked(what).context("kubectl cannot be run")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success(), "{} may read {}", switch.name(), what.join(" "));
        ensure!(said.contains("Forbidden") || said.contains("forbidden"), "{}: not refused, but {said}", switch.name());
    }
    Ok(())
}
