//! Whose metrics.k8s.io is: the APIService is ours, or it is an operator's and all of this stays off. `k8s-node` makes and keeps ours.

use std::sync::Arc;
use std::time::Duration;

use contract::{dns, metrics};
use hyper::Request;
use kube::Client;
use serde_json::Value;
use tokio::time::sleep;

use crate::health::Health;

const PATH: &str = "/apis/apiregistration.k8s.io/v1/apiservices/";

/// How often is asked.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    #[default]
    Unknown,
    Ours,
    /// Why it is not.
    Others(String),
}

/// Asks for ever. Where the API server does not answer, what it said last stands.
pub async fn run(client: Client, health: Arc<Health>) {
    loop {
        if let Some(whose) = ask(&client).await
            && health.set_ownership(whose.clone())
        {
            match whose {
                Ownership::Others(why) => tracing::warn!("off: {why}"),
                Ownership::Ours | Ownership::Unknown => tracing::info!("{} is ours", metrics::API_SERVICE),
            }
        }
        sleep(PAUSE).await;
    }
}

async fn ask(client: &Client) -> Option<Ownership> {
    let request = Request::get(format!("{PATH}{}", metrics::API_SERVICE)).body(Vec::new()).ok()?;
    match client.request::<Value>(request).await {
        Ok(found) => Some(of(Some(&found))),
        Err(kube::Error::Api(status)) if status.code == 404 => Some(of(None)),
        Err(error) => {
            tracing::debug!(%error, "whose {} is cannot be asked", metrics::API_SERVICE);
            None
        }
    }
}

fn of(found: Option<&Value>) -> Ownership {
    let name = metrics::API_SERVICE;
    let Some(found) = found else {
        return Ownership::Others(format!(
            "there is no APIService {name}: `k8s-node renew` on the master makes it again, or says why not"
        ));
    };
    let service = &found["spec"]["service"];
    let is_ours = found["metadata"]["labels"][dns::MANAGED_BY.0] == dns::MANAGED_BY.1;
    if is_ours && service["namespace"] == metrics::NAMESPACE && service["name"] == metrics::SERVICE {
        return Ownership::Ours;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let leads_to = format!("{}/{}", text(&service["namespace"]), text(&service["name"]));
    Ownership::Others(format!("the APIService {name} is an operator's, and leads to the Service {leads_to}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operators_apiservice_is_left_to_the_operator() {
        let service = |labels: Value, namespace: &str, name: &str| {
            of(Some(&json!({
                "metadata": {"labels": labels}, "spec": {"service": {"namespace": namespace, "name": name}},
            })))
        };
        let label = json!({ dns::MANAGED_BY.0: dns::MANAGED_BY.1 });
        assert_eq!(service(label.clone(), "kube-system", "metrics-server"), Ownership::Ours);
        for theirs in [service(Value::Null, "kube-system", "metrics-server"), service(label, "prometheus", "adapter")] {
            let Ownership::Others(why) = theirs else { panic!("taken for ours") };
            assert!(why.contains("is an operator's"), "{why}");
        }
        let Ownership::Others(why) = of(None) else { panic!("taken for ours") };
        assert!(why.contains("`k8s-node renew`"), "{why}");
    }
}
