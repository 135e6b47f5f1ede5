//! The API server says from afar what it is.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Scene, operator::Operator};

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let url = format!("{}/version", scene.cluster.api_server_url());
    for host in scene.hosts() {
        scene.step(format!("ask {url} from {}", host.name()), |_| {
            let answer = host.exec_ok(["curl", "--insecure", "--silent", "--show-error", "--max-time", "10", &url])?;
            let version: Value = serde_json::from_str(&answer).context("the answer is no JSON")?;
            ensure!(version["platform"] == "linux/386", "the platform is not linux/386: {answer}");
            Ok(())
        })?;
    }
    scene.step("kubectl on a host is of the API server's version, and lists every node with it", |scene| {
        let operator = Operator::of(scene)?;
        let printed = operator.kubectl(&["version", "--output=json"])?;
        let version: Value = serde_json::from_str(&printed).context("kubectl printed no JSON")?;
        let (client, server) = (&version["clientVersion"], &version["serverVersion"]);
        ensure!(client["gitVersion"].is_string() && client["gitVersion"] == server["gitVersion"], "not one: {printed}");
        ensure!(server["platform"] == "linux/386", "the server's platform is not linux/386: {printed}");
        let kubelets =
            operator.kubectl(&["get", "nodes", "--output=jsonpath={.items[*].status.nodeInfo.kubeletVersion}"])?;
        let all = kubelets.split(' ').filter(|kubelet| server["gitVersion"] == **kubelet).count();
        ensure!(all == scene.cluster.nodes.len(), "the kubelets are {kubelets}, the server is {server}");
        Ok(())
    })
}
