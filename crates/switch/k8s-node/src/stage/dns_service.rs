//! The Service that stands for the cluster's names, for tools that look for one. Each switch answers its address itself, so that no pod is
//! behind it; where an operator has a Service of that name or at that address, it is left as it is.

use std::time::Duration;

use anyhow::{Context, Result};
use cluster::Cluster;
use common::retry;
use contract::{dns, ports};
use serde_json::{Value, json};

use crate::api::Client;

const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// Says what was found or done.
pub fn ensure(client: &Client, cluster: &Cluster) -> Result<String> {
    let services = format!("/api/v1/namespaces/{}/services", dns::NAMESPACE);
    let name = format!("{}/{}", dns::NAMESPACE, dns::SERVICE);
    let doing = || format!("cannot make the Service {name}");
    let found = client.get(&format!("{services}/{}", dns::SERVICE)).with_context(doing)?;
    if found.status != 404 {
        return Ok(said(&found.good().with_context(doing)?, &name));
    }
    // The API server makes it itself, soon after it answers for the first time.
    retry::until(&format!("the namespace {} is there", dns::NAMESPACE), LIMIT, PAUSE, || {
        client.get(&format!("/api/v1/namespaces/{}", dns::NAMESPACE))?.good().map(drop).map_err(Into::into)
    })?;
    let made = client.post(&services, &desired(cluster)).with_context(doing)?;
    // Somebody else's has the address.
    if made.status == 422 {
        return Ok(format!("{} is another Service's: names are left to it", cluster.dns));
    }
    made.good().with_context(doing)?;
    Ok(format!("made the Service {name}"))
}

fn said(service: &Value, name: &str) -> String {
    let is_ours = service["metadata"]["labels"][dns::MANAGED_BY.0] == dns::MANAGED_BY.1;
    let has_selector = service["spec"]["selector"].as_object().is_some_and(|selector| !selector.is_empty());
    if is_ours && !has_selector {
        format!("kept the Service {name}")
    } else {
        format!("the Service {name} is the operator's, and kept")
    }
}

fn desired(cluster: &Cluster) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": dns::SERVICE,
            "namespace": dns::NAMESPACE,
            "labels": { dns::MANAGED_BY.0: dns::MANAGED_BY.1, "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true" },
        },
        "spec": {
            "clusterIP": cluster.dns,
            "ports": [
                { "name": "dns", "port": ports::DNS, "protocol": "UDP" },
                { "name": "dns-tcp", "port": ports::DNS, "protocol": "TCP" },
            ],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_an_operator_has_taken_over_is_the_operator_s() {
        let of = |labels: Value, selector: Value| {
            said(&json!({ "metadata": { "labels": labels }, "spec": { "selector": selector } }), "kube-system/kube-dns")
        };
        let ours = json!({ dns::MANAGED_BY.0: dns::MANAGED_BY.1 });
        assert!(of(ours.clone(), Value::Null).starts_with("kept"));
        assert!(of(ours, json!({ "k8s-app": "kube-dns" })).contains("operator's"));
        assert!(of(json!({}), Value::Null).contains("operator's"));
    }
}
