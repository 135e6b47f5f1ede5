//! Whether each service, and the node, is in order: asked of them, not of what was done.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use cluster::pki::Credential;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{api::Client, places, switch::Switch};

const API_SERVER_HERE: &str = "https://127.0.0.1:6443";

/// A node's condition, as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub message: String,
    #[serde(default, rename(deserialize = "lastHeartbeatTime"), skip_serializing)]
    heartbeat: Option<String>,
}

/// Asks one service; fails with what is wrong.
pub fn service(name: &str) -> Result<()> {
    match name {
        "etcd" => {
            let client = Client::new("https://127.0.0.1:2379", Credential::ApiServerEtcdClient, Credential::EtcdCa)?;
            let health = client.get("/health")?.good()?;
            match health.get("health").and_then(Value::as_str) {
                Some("true") => Ok(()),
                _ => bail!("it says {health}"),
            }
        }
        "kube-apiserver" => says_ok(&administrator()?),
        "kube-controller-manager" => says_ok(&Client::plain("http://127.0.0.1:10252")),
        "kube-scheduler" => says_ok(&Client::plain("http://127.0.0.1:10251")),
        "kubelet" => says_ok(&Client::plain("http://127.0.0.1:10248")),
        "kube-proxy" => says_ok(&Client::plain("http://127.0.0.1:10256")),
        other => bail!("there is no service {other:?}"),
    }
}

fn says_ok(client: &Client) -> Result<()> {
    let answer = client.get("/healthz")?;
    if answer.status == 200 {
        return Ok(());
    }
    bail!("it answers {}: {}", answer.status, answer.body)
}

/// On the master: the API server, as the cluster's administrator.
pub fn administrator() -> Result<Client> {
    Client::new(API_SERVER_HERE, Credential::Admin, Credential::Ca)
}

/// The node's conditions, asked by the node itself.
pub fn conditions(switch: &Switch) -> Result<Vec<Condition>> {
    let url = if switch.node.master { API_SERVER_HERE.into() } else { switch.cluster.api_server_url() };
    let client = Client::new(&url, Credential::Node, Credential::Ca)?;
    let mut node = client.get(&format!("/api/v1/nodes/{}", switch.node.name))?.good()?;
    serde_json::from_value(node["status"]["conditions"].take()).context("the node has no conditions")
}

/// Whether the node is Ready, by a word of the kubelet that runs now: the API server keeps the word of the one before.
pub fn node_ready(switch: &Switch) -> Result<()> {
    let conditions = conditions(switch)?;
    let ready =
        conditions.iter().find(|condition| condition.kind == "Ready").context("the kubelet has said nothing")?;
    let said = ready.heartbeat.as_deref().and_then(|time| humantime::parse_rfc3339(time).ok());
    let started = fs::metadata(PathBuf::from(places::SERVICE_RECORDS).join("kubelet"))?.modified()?;
    // The API server keeps whole seconds.
    if said.is_none_or(|said| said + Duration::from_secs(1) <= started) {
        bail!("the kubelet has not said anything since it was started");
    }
    if ready.status != "True" {
        bail!("{}: {}", ready.reason, ready.message);
    }
    Ok(())
}
