//! What `kubectl get nodes` shows as roles: labels that no kubelet may give itself (NodeRestriction), so that the master gives them to the
//! nodes of cluster.toml, soon after each has come, and again where somebody has taken them.

use anyhow::{Context, Result};
use cluster::{Cluster, Node};
use serde_json::{Value, json};

use crate::api::Client;

const NODES: &str = "/api/v1/nodes";
const PREFIX: &str = "node-role.kubernetes.io/";

/// Says who has got a role that it had not.
pub fn ensure(client: &Client, cluster: &Cluster) -> Result<Vec<String>> {
    let mut given = Vec::new();
    for role in [Role::Master, Role::Worker] {
        // As a rule nobody lacks it: nodes are asked for by what they lack.
        let lacking = client.get(&format!("{NODES}?labelSelector=%21{PREFIX}{}", role.name()))?.good();
        let lacking = lacking.context("cannot ask which nodes lack their role")?;
        for node in of_role(&lacking, cluster, role) {
            let patch = patch(role);
            let doing = || format!("cannot label the node {}", node.name);
            client.merge_patch(&format!("{NODES}/{}", node.name), &patch)?.good().with_context(doing)?;
            if !given.contains(&node.name) {
                given.push(node.name.clone());
            }
        }
    }
    Ok(given)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Master,
    Worker,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Master => "master",
            Role::Worker => "worker",
        }
    }

    fn is_of(self, node: &Node) -> bool {
        match self {
            Role::Master => node.master,
            Role::Worker => node.worker,
        }
    }
}

/// Of a list of nodes, those that cluster.toml gives the role.
fn of_role<'a>(list: &Value, cluster: &'a Cluster, role: Role) -> Vec<&'a Node> {
    let names = list["items"].as_array().into_iter().flatten().filter_map(|node| node["metadata"]["name"].as_str());
    names.filter_map(|name| cluster.node(name)).filter(|node| role.is_of(node)).collect()
}

/// What is lacking alone: another role's label may have a value that an operator has given it.
fn patch(role: Role) -> Value {
    let label = format!("{PREFIX}{}", role.name());
    json!({ "metadata": { "labels": { label: "" } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = include_str!("../../cluster/tests/fixtures/cluster.toml");

    #[test]
    fn a_node_gets_the_role_that_it_lacks_and_keeps_the_value_of_another_one() {
        let mut node = json!({ "metadata": { "labels": { "node-role.kubernetes.io/worker": "edge" } } });
        let Value::Object(labels) = patch(Role::Master)["metadata"]["labels"].take() else { panic!("no labels") };
        node["metadata"]["labels"].as_object_mut().unwrap().extend(labels);
        let both = json!({ "node-role.kubernetes.io/master": "", "node-role.kubernetes.io/worker": "edge" });
        assert_eq!(node["metadata"]["labels"], both);
    }

    #[test]
    fn nodes_that_cluster_toml_does_not_know_and_roles_that_are_not_theirs_are_left_alone() {
        let cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
        let list = json!({ "items": [
            { "metadata": { "name": "veos-l1" } },
            { "metadata": { "name": "of-somebody-else" } },
            { "metadata": { "name": "veos-b" } },
        ] });
        let of = |role| of_role(&list, &cluster, role).iter().map(|node| node.name.as_str()).collect::<Vec<_>>();
        assert_eq!(of(Role::Master), ["veos-b"]);
        assert_eq!(of(Role::Worker), ["veos-l1", "veos-b"]);
    }
}
