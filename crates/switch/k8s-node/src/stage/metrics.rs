//! The metrics server: who it is, the objects by which the API server knows it, and the program. Where an operator has another one it is left
//! as it is, and ours stays off.

use std::time::SystemTime;

use anyhow::{Context, Result};
use base64ct::{Base64, Encoding};
use cluster::Node;
use common::files;
use contract::{dns, metrics, places, ports};
use serde_json::{Value, json};

use super::rbac;
use crate::{
    api::Client,
    health,
    metrics_server::{self, SERVICE, WhyNot},
    service,
    switch::Switch,
    systemd,
};

const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

/// What the line begins with where there is none.
const OFF: &str = "off: ";
const NOT_THERE: &str = "metrics-server is not there yet: ";

const ROLE: &str = "kubernetes-on-eos:metrics-server";

/// Upstream's name, so that there is one role of this kind. An operator's is left as it is.
const READERS: &str = "system:aggregated-metrics-reader";

/// Nothing else of Kubernetes waits for it: what does not work is said, and tried again by every renewal.
pub fn metrics(switch: &Switch) -> Result<String> {
    Ok(made(switch)
        .unwrap_or_else(|error| format!("{NOT_THERE}{error:#}; every renewal tries again, and `k8s-node renew`")))
}

fn made(switch: &Switch) -> Result<String> {
    let client = health::administrator()?;
    if let Some(why) = metrics_server::why_not(&switch.cluster, places::PKI.as_ref()) {
        systemd::stop(&format!("{SERVICE}.service"))?;
        let removed = if remove(&client)? { ", and its objects are removed" } else { "" };
        files::remove_tree(places::METRICS_CREDENTIALS.as_ref())?;
        return Ok(format!("{OFF}{why}{removed}"));
    }
    let (credentials, pki) = (places::METRICS_CREDENTIALS.as_ref(), places::PKI.as_ref());
    let certificate = metrics_server::ensure_credentials(credentials, &switch.cluster, pki, SystemTime::now())?;
    role(&client)?;
    // Once it is registered, the API server asks it at once, and ever more seldom where nobody answers.
    let service = service::ensure(SERVICE, switch, None)?;
    if let Some(what) = operators(&client)? {
        // Ours would lead to what is theirs.
        withdraw(&client)?;
        return Ok(format!("{OFF}{what} is the operator's"));
    }
    readers(&client)?;
    let objects = objects(&client, &switch.node, &certificate)?;
    Ok(format!("{SERVICE} {service}; {objects}"))
}

/// What the stage's line says of why there is none, for the status; nothing where cluster.toml has it so.
pub fn remark(line: &str) -> Option<String> {
    let off = line.strip_prefix(OFF).filter(|why| !why.starts_with(&WhyNot::ClusterToml.to_string()));
    let off = off.map(|why| format!("{SERVICE} is {OFF}{why}"));
    off.or_else(|| line.starts_with(NOT_THERE).then(|| line.to_owned()))
}

/// Before the program goes: an APIService that nobody answers for keeps namespaces from being deleted, and discovery from being whole.
pub fn leave() -> Result<()> {
    withdraw(&health::administrator()?).map(drop)
}

/// Takes our APIService away; says whether there was one.
fn withdraw(client: &Client) -> Result<bool> {
    let api_service = format!("{API_SERVICES}/{}", metrics::API_SERVICE);
    let had = found(client, &api_service)?.is_some_and(|object| leads_to_ours(&object));
    if had {
        client.delete(&api_service).with_context(|| format!("cannot remove {api_service}"))?;
    }
    Ok(had)
}

/// What it may read.
fn role(client: &Client) -> Result<()> {
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": ROLE },
        "rules": [
            { "apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["list", "watch"] },
            { "apiGroups": [""], "resources": ["nodes/stats"], "verbs": ["get"] },
            {
                "apiGroups": ["apiregistration.k8s.io"],
                "resources": ["apiservices"],
                "resourceNames": [metrics::API_SERVICE],
                "verbs": ["get"],
            },
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": ROLE },
        "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": ROLE },
        "subjects": [{ "apiGroup": rbac, "kind": "User", "name": metrics::USER }],
    });
    rbac::ensure(client, "clusterroles", &role, "rules")?;
    rbac::ensure(client, "clusterrolebindings", &binding, "subjects").map(drop)
}

/// Who may read what it gives.
fn readers(client: &Client) -> Result<()> {
    let into = |role: &str| format!("rbac.authorization.k8s.io/aggregate-to-{role}");
    let readers = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": READERS,
            "labels": { into("view"): "true", into("edit"): "true", into("admin"): "true" },
        },
        "rules": [{ "apiGroups": [metrics::GROUP], "resources": ["nodes", "pods"], "verbs": ["get", "list", "watch"] }],
    });
    ensure(client, &format!("{}/clusterroles/{READERS}", rbac::GROUP), &readers, |_| true).map(drop)
}

/// What of it an operator has made, or taken over.
fn operators(client: &Client) -> Result<Option<String>> {
    let api_service = found(client, &format!("{API_SERVICES}/{}", metrics::API_SERVICE))?;
    if api_service.is_some_and(|object| !leads_to_ours(&object)) {
        return Ok(Some(format!("the APIService {}", metrics::API_SERVICE)));
    }
    let service = found(client, &path("services"))?;
    let is_operators = service.is_some_and(|service| !is_ours(&service) || has_selector(&service));
    Ok(is_operators.then(|| format!("the Service {}/{}", metrics::NAMESPACE, metrics::SERVICE)))
}

fn objects(client: &Client, master: &Node, certificate: &[u8]) -> Result<String> {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(metrics::SERVICE),
        "spec": { "ports": [{ "name": "https", "port": 443, "targetPort": ports::METRICS_SERVER, "protocol": "TCP" }] },
    });
    let endpoints = json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": metadata(metrics::SERVICE),
        "subsets": [{
            "addresses": [{ "ip": master.address }],
            "ports": [{ "name": "https", "port": ports::METRICS_SERVER, "protocol": "TCP" }],
        }],
    });
    let spec = json!({
        "group": metrics::GROUP,
        "version": metrics::VERSION,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": { "namespace": metrics::NAMESPACE, "name": metrics::SERVICE },
        "caBundle": Base64::encode_string(certificate),
        "insecureSkipTLSVerify": false,
    });
    let api_service = json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": metadata(metrics::API_SERVICE),
        "spec": spec,
    });
    ensure(client, &path("services"), &service, |_| true)?;
    ensure(client, &path("endpoints"), &endpoints, |found| found["subsets"] == endpoints["subsets"])?;
    let done = ensure(client, &format!("{API_SERVICES}/{}", metrics::API_SERVICE), &api_service, |found| {
        found["spec"]["caBundle"] == spec["caBundle"]
    })?;
    Ok(format!("{done} the APIService {}", metrics::API_SERVICE))
}

/// Makes an object, or changes it to what is wanted where it is not right.
fn ensure(client: &Client, path: &str, desired: &Value, is_right: impl Fn(&Value) -> bool) -> Result<&'static str> {
    let doing = || format!("cannot make {path}");
    match found(client, path)? {
        Some(found) if is_right(&found) => Ok("kept"),
        Some(_) => client.merge_patch(path, desired)?.good().with_context(doing).map(|_| "corrected"),
        None => {
            let (collection, _) = path.rsplit_once('/').with_context(doing)?;
            client.post(collection, desired)?.good().with_context(doing).map(|_| "made")
        }
    }
}

/// Takes away what is ours, so that nobody asks in vain and nobody has its rights; says whether there was anything. The role for readers is
/// upstream's, too, and stays.
fn remove(client: &Client) -> Result<bool> {
    let had = withdraw(client)?;
    let service = path("services");
    if found(client, &service)?.is_some_and(|object| is_ours(&object) && !has_selector(&object)) {
        // Its Endpoints go with it.
        client.delete(&service).with_context(|| format!("cannot remove {service}"))?;
    }
    for kind in ["clusterrolebindings", "clusterroles"] {
        client.delete(&format!("{}/{kind}/{ROLE}", rbac::GROUP)).with_context(|| format!("cannot remove {ROLE}"))?;
    }
    Ok(had)
}

fn found(client: &Client, path: &str) -> Result<Option<Value>> {
    let answer = client.get(path)?;
    if answer.status == 404 {
        return Ok(None);
    }
    answer.good().with_context(|| format!("cannot read {path}")).map(Some)
}

fn path(kind: &str) -> String {
    format!("/api/v1/namespaces/{}/{kind}/{}", metrics::NAMESPACE, metrics::SERVICE)
}

fn metadata(name: &str) -> Value {
    let mut metadata = json!({ "name": name, "labels": { dns::MANAGED_BY.0: dns::MANAGED_BY.1 } });
    if name == metrics::SERVICE {
        metadata["namespace"] = metrics::NAMESPACE.into();
    }
    metadata
}

fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"][dns::MANAGED_BY.0] == dns::MANAGED_BY.1
}

fn has_selector(service: &Value) -> bool {
    service["spec"]["selector"].as_object().is_some_and(|selector| !selector.is_empty())
}

fn leads_to_ours(api_service: &Value) -> bool {
    let service = &api_service["spec"]["service"];
    is_ours(api_service) && service["namespace"] == metrics::NAMESPACE && service["name"] == metrics::SERVICE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_there_is_none_is_a_remark_unless_it_was_asked_for() {
        assert_eq!(remark("off: cluster.toml says metrics_server = false, and its objects are removed"), None);
        assert_eq!(remark("metrics-server kept; corrected the APIService v1beta1.metrics.k8s.io"), None);
        let operators = remark("off: the Service kube-system/metrics-server is the operator's").unwrap();
        assert_eq!(operators, "metrics-server is off: the Service kube-system/metrics-server is the operator's");
        assert!(remark(&format!("{NOT_THERE}no answer")).unwrap().contains("no answer"));
    }

    #[test]
    fn an_apiservice_that_leads_elsewhere_or_was_made_by_another_is_not_ours() {
        let of = |labels: Value, name: &str| {
            let service = json!({ "namespace": "kube-system", "name": name });
            leads_to_ours(&json!({ "metadata": { "labels": labels }, "spec": { "service": service } }))
        };
        let label = json!({ dns::MANAGED_BY.0: dns::MANAGED_BY.1 });
        assert!(of(label.clone(), "metrics-server"));
        assert!(!of(label, "prometheus-adapter") && !of(Value::Null, "metrics-server"));
    }
}
