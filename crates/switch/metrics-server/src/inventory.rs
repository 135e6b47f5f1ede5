//! Which nodes and pods there are, as watches bring it: of a node where its kubelet is asked, of a pod its node and labels. Of what the
//! API server sends nothing else is read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

use api_watch::{Gatherer, watch};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::runtime::watcher::Event;
use kube::{Client, Resource};
use serde::Deserialize;

use crate::store::{Node, Pod, Shared, State};
use crate::summary::PodName;

/// Watches for ever.
pub async fn run(client: Client, shared: Arc<Shared>) {
    let nodes = watch(client.clone(), || NodesGatherer { shared: shared.clone(), list: BTreeMap::new() });
    let pods = watch(client, || PodsGatherer { shared: shared.clone(), list: BTreeMap::new() });
    tokio::join!(nodes, pods);
}

#[derive(Clone, Debug, Deserialize)]
struct NodeObject {
    metadata: ObjectMeta,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct NodeStatus {
    #[serde(default)]
    addresses: Vec<Address>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Clone, Debug, Deserialize)]
struct PodObject {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: PodSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    node_name: Option<String>,
}

macro_rules! resource {
    ($object:ty, $kind:literal, $plural:literal, $scope:ty) => {
        impl Resource for $object {
            type DynamicType = ();
            type Scope = $scope;

            fn kind(_: &()) -> Cow<'_, str> {
                $kind.into()
            }

            fn group(_: &()) -> Cow<'_, str> {
                "".into()
            }

            fn version(_: &()) -> Cow<'_, str> {
                "v1".into()
            }

            fn plural(_: &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(NodeObject, "Node", "nodes", ClusterResourceScope);
resource!(PodObject, "Pod", "pods", NamespaceResourceScope);

impl NodeObject {
    fn read(self) -> Option<(String, Node)> {
        let is_ready = |condition: &Condition| condition.kind == "Ready" && condition.status == "True";
        let address = self.status.addresses.iter().find(|address| address.kind == "InternalIP");
        let node = Node {
            address: address.and_then(|address| address.address.parse::<IpAddr>().ok()),
            ready: self.status.conditions.iter().any(is_ready),
            labels: self.metadata.labels.unwrap_or_default().into(),
        };
        Some((self.metadata.name?, node))
    }
}

impl PodObject {
    fn name(&self) -> Option<PodName> {
        Some((self.metadata.namespace.as_deref()?.into(), self.metadata.name.as_deref()?.into()))
    }

    /// None where it is on no node.
    fn read(self) -> Option<Pod> {
        let node = self.spec.node_name.filter(|name| !name.is_empty())?;
        Some(Pod { node: node.into(), labels: self.metadata.labels.unwrap_or_default().into() })
    }
}

struct NodesGatherer {
    shared: Arc<Shared>,
    list: BTreeMap<String, Node>,
}

impl Gatherer<NodeObject> for NodesGatherer {
    const WHAT: &'static str = "nodes";
    const LABELS: &'static str = "";

    fn take(&mut self, event: Event<NodeObject>) -> bool {
        match event {
            Event::Init => self.list.clear(),
            Event::InitApply(object) => self.list.extend(object.read()),
            Event::InitDone => {
                let list = std::mem::take(&mut self.list);
                self.shared.change(|state| state.set_nodes(list));
            }
            Event::Apply(object) => {
                if let Some((name, node)) = object.read() {
                    self.shared.change(|state| state.set_node(name, Some(node)));
                }
            }
            Event::Delete(object) => {
                if let Some((name, _)) = object.read() {
                    self.shared.change(|state| state.set_node(name, None));
                }
            }
        }
        true
    }
}

struct PodsGatherer {
    shared: Arc<Shared>,
    list: BTreeMap<PodName, Pod>,
}

impl Gatherer<PodObject> for PodsGatherer {
    const WHAT: &'static str = "pods";
    const LABELS: &'static str = "";

    fn take(&mut self, event: Event<PodObject>) -> bool {
        let change = |name: Option<PodName>, pod| {
            let Some(name) = name else { return };
            self.shared.change(|state: &mut State| state.set_pod(name, pod));
        };
        match event {
            Event::Init => self.list.clear(),
            Event::InitApply(object) => self.list.extend(object.name().zip(object.read())),
            Event::InitDone => {
                let list = std::mem::take(&mut self.list);
                self.shared.change(|state| state.set_pods(list));
            }
            Event::Apply(object) => change(object.name(), object.read()),
            Event::Delete(object) => change(object.name(), None),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_node_its_address_and_whether_it_is_ready_are_known() {
        let node = |status: serde_json::Value| {
            let object = json!({"metadata": {"name": "veos-l1", "labels": {"a": "b"}}, "status": status});
            serde_json::from_value::<NodeObject>(object).unwrap().read().unwrap().1
        };
        let whole = node(json!({
            "addresses": [{"type": "Hostname", "address": "x"}, {"type": "InternalIP", "address": "2.2.2.2"}],
            "conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
        }));
        assert_eq!((whole.address, whole.ready), (Some(IpAddr::from([2, 2, 2, 2])), true));
        let bare = node(json!({"conditions": [{"type": "Ready", "status": "Unknown"}]}));
        assert_eq!((bare.address, bare.ready), (None, false));
    }

    #[test]
    fn a_pod_is_one_once_it_is_on_a_node() {
        let pod = |spec| serde_json::from_value::<PodObject>(json!({"metadata": {"name": "a"}, "spec": spec})).unwrap();
        assert!(pod(json!({"containers": []})).read().is_none());
        assert_eq!(pod(json!({"nodeName": "veos-l1"})).read().unwrap().node.as_ref(), "veos-l1");
    }
}
