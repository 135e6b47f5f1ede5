//! The control plane: its versions as they are told from afar, its components' health, and Secrets that are encrypted before
//! etcd gets them.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use swix::{extension, release::ReleaseInfo};

use crate::{Scene, operator::Operator};

const NAME: &str = "topo-test";
const WORD: &str = "to-be-found-nowhere";
/// The same in base64.
const ENCODED: &str = "dG8tYmUtZm91bmQtbm93aGVyZQ==";
const ENCRYPTED: &[u8] = b"k8s:enc:aescbc:v1:";

pub fn versions(scene: &mut Scene<'_>) -> Result<()> {
    let release = extension::release(&scene.parts.swix)?;
    let url = format!("{}/version", scene.cluster.api_server_url());
    for host in scene.hosts() {
        scene.step(format!("ask {url} from {}", host.name()), |_| {
            let answer = host.exec_ok(["curl", "--insecure", "--silent", "--show-error", "--max-time", "10", &url])?;
            is_of(&serde_json::from_str(&answer).context("the answer is no JSON")?, &release)
        })?;
    }
    scene.step("kubectl on a host is of the SWIX's version, as the API server is and every kubelet", |scene| {
        let operator = Operator::of(scene)?;
        let printed = operator.kubectl(&["version", "--output=json"])?;
        let version: Value = serde_json::from_str(&printed).context("kubectl printed no JSON")?;
        is_of(&version["serverVersion"], &release)?;
        let wanted = format!("v{}", release.version);
        ensure!(version["clientVersion"]["gitVersion"] == *wanted, "kubectl is not of {wanted}: {printed}");
        let kubelet = "{.status.nodeInfo.kubeletVersion} {.status.nodeInfo.architecture}";
        let each = format!("--output=jsonpath={{range .items[*]}}{kubelet}{{\"\\n\"}}{{end}}");
        let kubelets = operator.kubectl(&["get", "nodes", &each])?;
        let right = kubelets.lines().filter(|kubelet| *kubelet == format!("{wanted} {}", release.arch)).count();
        ensure!(right == scene.worker_nodes().len(), "not all kubelets are of {wanted} {}:\n{kubelets}", release.arch);
        Ok(())
    })
}

/// Fails where what Kubernetes says of its version is not what the SWIX says of itself.
fn is_of(version: &Value, release: &ReleaseInfo) -> Result<()> {
    for (field, wanted) in
        [("gitVersion", format!("v{}", release.version)), ("platform", format!("linux/{}", release.arch))]
    {
        ensure!(version[field] == *wanted, "the SWIX is of {field} {wanted}, and it is {version}");
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use common::Arch;
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_those_of_the_swix_whichever_it_is() {
        let release = |version: &str, arch| ReleaseInfo {
            name: String::new(),
            version: version.to_owned(),
            arch,
            build: None,
            components: vec![],
            probes: vec![],
        };
        let said = |version: &str, platform: &str| json!({"gitVersion": version, "platform": platform});
        is_of(&said("v1.20.2", "linux/386"), &release("1.20.2", Arch::I386)).unwrap();
        is_of(&said("v1.12.10", "linux/amd64"), &release("1.12.10", Arch::Amd64)).unwrap();
        let error = is_of(&said("v1.20.2", "linux/386"), &release("1.20.2", Arch::Amd64)).unwrap_err().to_string();
        assert!(error.starts_with("the SWIX is of platform linux/amd64, and it is {"), "{error}");
        assert!(is_of(&said("v1.20.2", "linux/386"), &release("1.20.20", Arch::I386)).is_err());
        assert!(is_of(&Value::Null, &release("1.20.2", Arch::I386)).is_err());
    }
}
