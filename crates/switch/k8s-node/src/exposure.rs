//! What is left in the hands of who had a node, after its certificates are revoked: what its pods could read, its pods themselves, the
//! token. It is told with what to do about each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use contract::places;
use serde_json::Value;

use crate::health;

/// Where a service account's token is mounted.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A namespace, and a name in it.
type Place = (String, String);

/// What the kubelet of a node has read for its pods, as they are now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Exposure {
    /// Secrets that hold the tokens of service accounts, which do not end; whose each is.
    tokens: BTreeMap<Place, String>,
    secrets: BTreeSet<Place>,
}

/// For the operator who has revoked a node.
pub fn told(name: &str) -> String {
    let exposure = pods(name).map(|pods| Exposure::of(&pods));
    tell(name, exposure.as_ref().map_err(|error| format!("{error:#}")))
}

fn pods(name: &str) -> Result<Vec<Value>> {
    // Node objects have no capitals.
    let path = format!("/api/v1/pods?fieldSelector=spec.nodeName={}", name.to_ascii_lowercase());
    let mut listed = health::administrator()?.get(&path)?.good()?;
    match listed.get_mut("items").map(Value::take) {
        Some(Value::Array(pods)) => Ok(pods),
        _ => bail!("the API server listed no items"),
    }
}

impl Exposure {
    fn of(pods: &[Value]) -> Exposure {
        let mut all = Exposure::default();
        for pod in pods {
            all.add(pod);
        }
        all.secrets.retain(|place| !all.tokens.contains_key(place));
        all
    }

    fn add(&mut self, pod: &Value) {
        let spec = &pod["spec"];
        let Some(namespace) = pod["metadata"]["namespace"].as_str() else { return };
        let place = |name: &str| (namespace.to_owned(), name.to_owned());
        let account = spec["serviceAccountName"].as_str().unwrap_or("default");
        let containers: Vec<&Value> = ["containers", "initContainers", "ephemeralContainers"]
            .iter()
            .flat_map(|kind| list(&spec[*kind]))
            .collect();
        for volume in list(&spec["volumes"]) {
            let Some(secret) = volume["secret"]["secretName"].as_str() else {
                let sources = list(&volume["projected"]["sources"]);
                self.secrets.extend(sources.filter_map(|source| source["secret"]["name"].as_str()).map(place));
                continue;
            };
            let mounts = containers.iter().flat_map(|container| list(&container["volumeMounts"]));
            let mut mounts = mounts.filter(|mount| mount["name"] == volume["name"]);
            if mounts.any(|mount| mount["mountPath"] == TOKEN) {
                self.tokens.insert(place(secret), account.to_owned());
            } else {
                self.secrets.insert(place(secret));
            }
        }
        let of_environment = containers.iter().flat_map(|container| {
            let single = list(&container["env"]).map(|variable| &variable["valueFrom"]["secretKeyRef"]);
            single.chain(list(&container["envFrom"]).map(|source| &source["secretRef"]))
        });
        let named = of_environment.chain(list(&spec["imagePullSecrets"]));
        self.secrets.extend(named.filter_map(|reference| reference["name"].as_str()).map(place));
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn tell(name: &str, exposure: Result<&Exposure, String>) -> String {
    let node = name.to_ascii_lowercase();
    let mut lines = vec![
        "What is left, and what to do about it:".to_owned(),
        format!(
            "- its pods run on until it is switched off or `k8s-node reset`: `kubectl delete node {node}` has others made \
             elsewhere, and nothing of the cluster asks its kubelet any more"
        ),
        format!(
            "- it knows the token, which admits names that never enrolled: write another one into every {}",
            places::CLUSTER_TOML
        ),
    ];
    match exposure {
        Ok(Exposure { tokens, secrets }) => {
            if !tokens.is_empty() {
                lines.push(
                    "- tokens of its pods' service accounts, which do not end: delete them, and then the pods that use them, so that they \
                     get the new ones"
                        .to_owned(),
                );
                lines.extend(tokens.iter().map(|((namespace, secret), account)| {
                    format!("      kubectl --namespace {namespace} delete secret {secret}    # of {account}")
                }));
            }
            if !secrets.is_empty() {
                let all: Vec<String> =
                    secrets.iter().map(|(namespace, secret)| format!("{namespace}/{secret}")).collect();
                lines.push(format!("- Secrets that its pods use: change what they hold: {}", all.join(", ")));
            }
            lines.push(format!(
                "- Secrets of pods that it had before: {} says which ones it has read",
                places::AUDIT_LOG
            ));
        }
        Err(why) => lines.push(format!(
            "- tokens and Secrets of its pods, which are not known now ({why}): `kubectl get pods --all-namespaces \
             --field-selector=spec.nodeName={node} --output=yaml` has them"
        )),
    }
    lines.push(format!(
        "`k8s-node admit {name}` lets another key have the name; `k8s-node revoke {name} --undo` is for a mistake."
    ));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_that_do_not_end_and_every_secret_that_a_pod_can_name_are_told_with_what_to_do() {
        let pods = [
            json!({
                "metadata": {"namespace": "default", "name": "a"},
                "spec": {
                    "serviceAccountName": "reader",
                    "imagePullSecrets": [{"name": "registry"}],
                    "volumes": [
                        {"name": "reader-token-x", "secret": {"secretName": "reader-token-x"}},
                        {"name": "files", "secret": {"secretName": "files"}},
                        {"name": "both", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "no"}}]}},
                        {"name": "scratch", "emptyDir": {}},
                    ],
                    "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "no"}}]}],
                    "containers": [{
                        "name": "c",
                        "env": [
                            {"name": "A", "value": "no"},
                            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "one", "key": "b"}}},
                        ],
                        "volumeMounts": [
                            {"name": "reader-token-x", "mountPath": TOKEN},
                            {"name": "files", "mountPath": "/files"},
                        ],
                    }],
                },
            }),
            json!({"metadata": {"namespace": "other", "name": "b"}, "spec": {"containers": [{"name": "c"}]}}),
            json!({"metadata": {}}),
        ];
        let exposure = Exposure::of(&pods);
        assert_eq!(exposure.tokens, [(("default".into(), "reader-token-x".into()), "reader".into())].into());
        let secrets: Vec<&str> = exposure.secrets.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(secrets, ["all", "files", "one", "projected", "registry"]);
        let told = tell("vEOS-l1", Ok(&exposure));
        assert!(told.contains("kubectl --namespace default delete secret reader-token-x    # of reader\n"), "{told}");
        assert!(told.contains("default/all, default/files"), "{told}");
        assert!(told.contains("kubectl delete node veos-l1") && told.contains("revoke vEOS-l1 --undo"), "{told}");
        assert!(tell("veos-l1", Err("no answer".into())).contains("not known now (no answer)"));
    }
}
