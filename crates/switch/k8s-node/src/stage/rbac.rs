//! What the API server may do at the kubelets: what logs, exec, port-forward and metrics need, and nothing else. What else the master makes
//! of the API: the roles of nodes, the Service of names, a right that is too much; and which Services have addresses of their own choice.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{dns_service, endpoints_role, external_ips};
use crate::{api::Client, health, node_roles, switch::Switch};

pub(super) const GROUP: &str = "/apis/rbac.authorization.k8s.io/v1";
const NAME: &str = "kubernetes-on-eos:kube-apiserver-to-kubelet";

/// The subject of the certificate that the API server shows to kubelets.
const USER: &str = "kube-apiserver-kubelet-client";

pub fn rbac(switch: &Switch) -> Result<String> {
    let client = health::administrator()?;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": NAME },
        "rules": [
            { "apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get", "create"] },
            {
                "apiGroups": [""],
                "resources": ["nodes/log", "nodes/metrics", "nodes/spec", "nodes/stats"],
                "verbs": ["get"],
            },
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": NAME },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER }],
    });
    let role = ensure(&client, "clusterroles", &role, "rules")?;
    let binding = ensure(&client, "clusterrolebindings", &binding, "subjects")?;
    let dns = dns_service::ensure(&client, &switch.cluster)?;
    let edit = endpoints_role::ensure(&client)?;
    // The others come later, and get theirs from the reconciler, which tries again where a label is refused now.
    let roles = node_roles::ensure(&client, &switch.cluster).err().map(|error| format!("; warning: {error:#}"));
    let roles = roles.unwrap_or_default();
    // Last: it may be that cluster.toml asks for what this release cannot do.
    let external = external_ips::look(&client, &switch.cluster)?;
    Ok(format!(
        "{role} the role of the API server at kubelets, {binding} its binding; {edit}; {external}; {dns}{roles}"
    ))
}

/// Makes the object, or corrects it where `field` differs.
pub(super) fn ensure(client: &Client, kind: &str, desired: &Value, field: &str) -> Result<&'static str> {
    let name = desired["metadata"]["name"].as_str().context("an object without a name")?;
    let doing = || format!("cannot make {kind} {name}");
    let found = client.get(&format!("{GROUP}/{kind}/{name}")).with_context(doing)?;
    if found.status == 404 {
        client.post(&format!("{GROUP}/{kind}"), desired)?.good().with_context(doing)?;
        return Ok("made");
    }
    let found = found.good().with_context(doing)?;
    if found[field] == desired[field] {
        return Ok("kept");
    }
    client.put(&format!("{GROUP}/{kind}/{name}"), desired)?.good().with_context(doing)?;
    Ok("corrected")
}
