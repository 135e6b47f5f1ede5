//! Whether each service, and the node, is in order: asked of them, not of what was done.

use std::{fs, net::Ipv4Addr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use cluster::pki::Credential;
use contract::{places, ports, status::Condition};
use serde_json::Value;

use crate::{
    api::Client,
    etcd::{self, Etcd},
    switch::Switch,
};

/// What listens on the loopback interface of this switch.
fn here(scheme: &str, port: u16) -> String {
    format!("{scheme}://{}:{port}", Ipv4Addr::LOCALHOST)
}

/// Asks one service; fails with what is wrong.
pub fn service(name: &str) -> Result<()> {
    match name {
        "etcd" => {
            let client = Client::new(&here("https", ports::ETCD), Credential::ApiServerEtcdClient, Credential::EtcdCa)?;
            let health = client.get("/health")?.body;
            match health.get("health").and_then(Value::as_str) {
                Some("true") => Ok(()),
                // An alarm is told of in the same word as everything else.
                _ if Etcd::on_switch().has_no_space().unwrap_or(false) => bail!(etcd::NO_SPACE),
                _ => bail!("it says {health}"),
            }
        }
        "kube-apiserver" => says_ok(&administrator()?),
        "kube-controller-manager" => says_ok(&Client::plain(&here("http", ports::CONTROLLER_MANAGER_HEALTH))),
        "kube-scheduler" => says_ok(&Client::plain(&here("http", ports::SCHEDULER_HEALTH))),
        "kubelet" => says_ok(&Client::plain(&here("http", ports::KUBELET_HEALTH))),
        "kube-proxy" => says_ok(&Client::plain(&here("http", ports::KUBE_PROXY_HEALTH))),
        "cluster-dns" => says_ok(&Client::plain(&here("http", ports::CLUSTER_DNS_METRICS))),
        "metrics-server" => says_ok(&Client::plain(&here("http", ports::METRICS_SERVER_HEALTH))),
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
    Client::new(&here("https", ports::API_SERVER), Credential::Admin, Credential::Ca)
}

/// The node's conditions, asked by the node itself.
pub fn conditions(switch: &Switch) -> Result<Vec<Condition>> {
    let url = if switch.node.master { here("https", ports::API_SERVER) } else { switch.cluster.api_server_url() };
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

/// What is worth knowing of names while they are answered: whose they are left to, and whether they may not be true any more.
pub fn names() -> Option<String> {
    let status = Client::plain(&here("http", ports::CLUSTER_DNS_METRICS)).get("/status").ok()?.good().ok()?;
    names_remark(&status)
}

fn names_remark(status: &Value) -> Option<String> {
    let looping = status["looping"].as_array().filter(|all| !all.is_empty());
    match (status["state"].as_str()?, status["names"].as_str()?) {
        ("off", _) => Some(format!("cluster-dns is off: {}", status["why"].as_str().unwrap_or_default())),
        ("serving", "stale") => Some(
            "cluster-dns answers by what it knew: it does not hear the API server, and what has changed since then is not known".into(),
        ),
        ("serving", _) => {
            let looping = looping.map(|all| {
                let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
                format!("resolvers that ask the cluster's DNS address themselves are not asked: {}", all.join(", "))
            });
            let tracked = (status["tracked"] == true).then(|| {
                "conntrack has an entry for each question for a name: the kernel or iptables lacks the table raw or the target CT".to_owned()
            });
            let remarks: Vec<String> = looping.into_iter().chain(tracked).collect();
            (!remarks.is_empty()).then(|| remarks.join("; "))
        }
        _ => None,
    }
}

/// Why nobody is told what nodes and pods use by the one that runs here.
pub fn metrics() -> Option<String> {
    let client = Client::plain(&here("http", ports::METRICS_SERVER_HEALTH));
    metrics_remark(&client.get("/status").ok()?.good().ok()?)
}

fn metrics_remark(status: &Value) -> Option<String> {
    (status["state"] == "off").then(|| format!("metrics-server is off: {}", status["why"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_metrics_server_that_is_off_says_so() {
        assert_eq!(metrics_remark(&json!({"state": "serving", "silent": []})), None);
        assert_eq!(metrics_remark(&json!({"state": "waiting", "why": "it waits"})), None);
        let off = metrics_remark(&json!({"state": "off", "why": "an operator's", "silent": []}));
        assert_eq!(off.unwrap(), "metrics-server is off: an operator's");
    }

    #[test]
    fn a_name_service_that_is_off_or_out_of_date_says_so() {
        let of = |state, names, looping: &[&str]| {
            names_remark(&json!({"state": state, "why": "the Service x/y has it", "names": names, "looping": looping}))
        };
        assert_eq!(of("serving", "current", &[]), None);
        assert_eq!(of("waiting", "unknown", &[]), None);
        assert!(of("off", "current", &[]).unwrap().ends_with("off: the Service x/y has it"));
        assert!(of("serving", "stale", &[]).unwrap().contains("by what it knew"));
        assert!(of("serving", "current", &["127.0.0.53:53"]).unwrap().ends_with(": 127.0.0.53:53"));
        let tracked = json!({"state": "serving", "names": "current", "looping": [], "tracked": true});
        assert!(names_remark(&tracked).unwrap().ends_with("the target CT"));
    }
}
