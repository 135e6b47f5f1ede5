//! The control plane: its versions as they are told from afar, its components' health, and Secrets that are encrypted before
//! etcd gets them.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Scene, extension, operator::Operator};

const NAME: &str = "topo-test";
const WORD: &str = "to-be-found-nowhere";
/// The same in base64.
const ENCODED: &str = "dG8tYmUtZm91bmQtbm93aGVyZQ==";
const ENCRYPTED: &[u8] = b"k8s:enc:aescbc:v1:";

pub fn versions(scene: &mut Scene<'_>) -> Result<()> {
    let url = format!("{}/version", scene.cluster.api_server_url());
    for host in scene.hosts() {
        scene.step(format!("ask {url} from {}", host.name()), |_| {
            let answer = host.exec_ok(["curl", "--insecure", "--silent", "--show-error", "--max-time", "10", &url])?;
            let version: Value = serde_json::from_str(&answer).context("the answer is no JSON")?;
            ensure!(version["platform"] == "linux/386", "the platform is not linux/386: {answer}");
            Ok(())
        })?;
    }
    scene.step(
        "kubectl on a host is of the API server's version, which is the SWIX's, and lists every node with it",
        |scene| {
            let operator = Operator::of(scene)?;
            let printed = operator.kubectl(&["version", "--output=json"])?;
            let version: Value = serde_json::from_str(&printed).context("kubectl printed no JSON")?;
            let (client, server) = (&version["clientVersion"], &version["serverVersion"]);
            ensure!(
                client["gitVersion"].is_string() && client["gitVersion"] == server["gitVersion"],
                "not one: {printed}"
            );
            let package = extension::version(&scene.master()?)?;
            let installed = package.rsplit_once('-').map(|(version, _)| format!("v{version}"));
            ensure!(
                server["gitVersion"].as_str() == installed.as_deref(),
                "{package} is installed, and it is {server}"
            );
            ensure!(server["platform"] == "linux/386", "the server's platform is not linux/386: {printed}");
            let kubelets =
                operator.kubectl(&["get", "nodes", "--output=jsonpath={.items[*].status.nodeInfo.kubeletVersion}"])?;
            let all = kubelets.split(' ').filter(|kubelet| server["gitVersion"] == **kubelet).count();
            ensure!(all == scene.worker_nodes().len(), "the kubelets are {kubelets}, the server is {server}");
            Ok(())
        },
    )
}

pub fn components(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("ask for the components' status", |scene| {
        let listed = scene.master()?.kubectl_json(&["get", "componentstatuses"])?;
        let components = listed["items"].as_array().context("kubectl listed no items")?;
        ensure!(components.len() >= 3, "there are too few: {listed}");
        for component in components {
            let condition = &component["conditions"][0];
            ensure!(condition["type"] == "Healthy" && condition["status"] == "True", "not healthy: {component}");
        }
        Ok(())
    })
}

pub fn secrets(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    scene.step("create a Secret", |_| {
        master.kubectl(&["create", "secret", "generic", NAME, &format!("--from-literal=word={WORD}")])
    })?;
    scene.step("etcd holds it encrypted", |_| {
        let stored = master.etcd_value(&format!("/registry/secrets/{}/{NAME}", master.namespace()))?;
        ensure!(stored.starts_with(ENCRYPTED), "what etcd holds does not begin with the provider's mark");
        let readable = stored.windows(WORD.len()).any(|part| part == WORD.as_bytes());
        ensure!(!readable, "the Secret's word can be read in etcd");
        Ok(())
    })?;
    scene.step("the API server gives it back", |_| {
        let read = master.kubectl_json(&["get", "secret", NAME])?;
        ensure!(read["data"]["word"] == ENCODED, "it is another: {read}");
        master.kubectl(&["delete", "secret", NAME]).map(drop)
    })
}
