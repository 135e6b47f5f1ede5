//! Who may do what: the API server at the kubelets, a node at Secrets, and a stranger.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cluster::ExternalIps;
use contract::{Credential, places, ports};
use serde_json::Value;

use super::pods;
use crate::{Scene, Switch, scene::eventually, workload};

const SECRET: &str = "for-no-pod";

/// Nodes get their roles within half a minute of their coming, and the role edit its rules from the controller manager.
const SOON: Duration = Duration::from_secs(90);

const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const FRONT_PROXY: &str = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const EDIT: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/edit";

/// How curl ends where nobody listens or answers, or whoever does breaks the connection off.
pub(super) const REFUSED: [i32; 6] = [7, 28, 35, 52, 55, 56];

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
    scene.step("every node shows the roles that cluster.toml gives it", |scene| {
        eventually("every node has its roles", SOON, || {
            let shown = master.kubectl(&["get", "nodes", "--no-headers"])?;
            scene.cluster.nodes.iter().filter(|node| node.worker).try_for_each(|node| {
                let roles = if node.master { "master,worker" } else { "worker" };
                let mut lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
                let line = lines.find(|columns| columns.first() == Some(&node.name.as_str()));
                ensure!(
                    line.is_some_and(|columns| columns.get(2) == Some(&roles)),
                    "{} is no {roles}: {shown}",
                    node.name
                );
                Ok(())
            })
        })
    })?;
    scene.step("who may edit a namespace may not write Endpoints", |_| {
        eventually("the role edit is without them", SOON, || {
            let role = raw(&master, EDIT)?;
            let rules = role["rules"].as_array().context("the role edit has no rules")?;
            let names =
                |list: &Value, name: &str| list.as_array().is_some_and(|list| list.iter().any(|one| one == name));
            ensure!(rules.iter().any(|rule| names(&rule["resources"], "services") && names(&rule["verbs"], "create")));
            let writes = rules.iter().find(|rule| {
                names(&rule["resources"], "endpoints")
                    && ["create", "update", "patch", "delete", "deletecollection", "*"]
                        .iter()
                        .any(|verb| names(&rule["verbs"], verb))
            });
            ensure!(writes.is_none(), "{EDIT} has {writes:?}");
            Ok(())
        })
    })?;
    scene.step("a Service gets no external IP where cluster.toml denies them", |scene| {
        let wanted = r#"{"spec":{"externalIPs":["192.0.2.1"]}}"#;
        // Admission decides on it as on any other, and nothing is written.
        let patch = ["--namespace=default", "patch", "service", "kubernetes", "--dry-run=server", "--patch", wanted];
        let asked = master.exec([&[places::KUBECTL, "--kubeconfig", places::ADMIN_KUBECONFIG][..], &patch].concat())?;
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        let denies = scene.cluster.services.external_ips == ExternalIps::Denied;
        ensure!(asked.status.success() != denies, "cluster.toml denies them: {denies}, and the answer was: {said}");
        ensure!(!denies || said.contains("DenyServiceExternalIPs: 192.0.2.1"), "it was denied, but so: {said}");
        Ok(())
    })?;
    scene.step("every API is available, and aggregated API servers are told whom to believe", |_| {
        let services = raw(&master, API_SERVICES)?;
        for service in services["items"].as_array().context("there is no API")? {
            let conditions = service["status"]["conditions"].as_array().into_iter().flatten();
            let mut available = conditions.filter(|one| one["type"] == "Available" && one["status"] == "True");
            ensure!(available.next().is_some(), "an API is not available: {service}");
        }
        let told = &raw(&master, FRONT_PROXY)?["data"];
        let names = told["requestheader-allowed-names"].as_str();
        ensure!(names == Some(r#"["front-proxy-client"]"#), "{FRONT_PROXY} has {told}");
        let ca =
            master.exec_ok(["cat", &format!("{}/{}", places::PKI, Credential::FrontProxyCa.certificate_file())])?;
        let said = told["requestheader-client-ca-file"].as_str().unwrap_or_default();
        ensure!(said.trim() == ca.trim(), "another authority than the master's is told: {said}");
        Ok(())
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
                let asked = host.exec(["curl", "--insecure", "--silent", "--connect-timeout", "2", &closed])?;
                ensure!(!asked.status.success(), "{} is answered by {closed}", host.name());
                let refused = asked.status.code().is_some_and(|code| REFUSED.contains(&code));
                ensure!(refused, "curl on {} ended with {}, which is no refusal", host.name(), asked.status);
            }
        }
        Ok(())
    })
}

fn raw(master: &Switch<'_>, path: &str) -> Result<Value> {
    Ok(serde_json::from_str(&master.kubectl(&["get", "--raw", path])?)?)
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
