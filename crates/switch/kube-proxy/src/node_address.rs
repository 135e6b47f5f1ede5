//! This node's address, where `--bind-address` does not say it: as upstream, the first internal one of the Node object, or else the first external
//! one. A load balancer's source ranges that have it in them let this node in by the load balancer's address, too.
//!
//! No Service waits for it: it is asked for beside the watches, and in the end, as kubelet may come after us.

use std::net::Ipv4Addr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};

use crate::model::Change;
use crate::news::NewsSender;

/// For one answer.
const LIMIT: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Asks until the Node object has an address, and tells it.
pub async fn find(client: Client, node: String, news: NewsSender) {
    let mut pause = FIRST_PAUSE;
    let mut said = false;
    loop {
        let lacking = match ask(&client, &node).await {
            Ok(Some(address)) => {
                tracing::info!(%address, "this node's address, by its Node object");
                // Nobody listens where the program ends.
                let _ = news.tell(Change::NodeAddress(address), None);
                return;
            }
            Ok(None) => "it is not there yet, or has no IPv4 address".to_owned(),
            Err(error) => error,
        };
        if !std::mem::replace(&mut said, true) {
            tracing::info!(
                "this node's address is not known, which loadBalancerSourceRanges are compared with: \
                 the Node object {node}: {lacking}; asking again (--bind-address says it, too)"
            );
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Asks once. `None` where there is no such object, or none with an address of IPv4.
pub async fn ask(client: &Client, node: &str) -> Result<Option<Ipv4Addr>, String> {
    match tokio::time::timeout(LIMIT, Api::<Node>::all(client.clone()).get_opt(node)).await {
        Ok(Ok(found)) => Ok(found.as_ref().and_then(address_of)),
        Ok(Err(error)) => Err(api_watch::causes(&error)),
        Err(_) => Err(format!("no answer within {LIMIT:?}")),
    }
}

fn address_of(node: &Node) -> Option<Ipv4Addr> {
    let addresses = node.status.as_ref()?.addresses.as_deref().unwrap_or_default();
    let first = |kind: &str| {
        let of_kind = addresses.iter().filter(|address| address.type_ == kind);
        of_kind.filter_map(|address| address.address.parse().ok()).next()
    };
    first("InternalIP").or_else(|| first("ExternalIP"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{NodeAddress, NodeStatus};

    fn node(addresses: &[(&str, &str)]) -> Node {
        let addresses = addresses
            .iter()
            .map(|&(kind, address)| NodeAddress { type_: kind.to_owned(), address: address.to_owned() });
        let status = NodeStatus { addresses: Some(addresses.collect()), ..NodeStatus::default() };
        Node { status: Some(status), ..Node::default() }
    }

    #[test]
    fn the_first_internal_address_of_ipv4_counts_and_then_an_external_one() {
        let all = [
            ("Hostname", "veos-b"),
            ("ExternalIP", "203.0.113.1"),
            ("InternalIP", "fd00::1"),
            ("InternalIP", "192.168.50.1"),
            ("InternalIP", "192.168.50.2"),
        ];
        assert_eq!(address_of(&node(&all)), Some(Ipv4Addr::new(192, 168, 50, 1)));
        assert_eq!(address_of(&node(&all[..3])), Some(Ipv4Addr::new(203, 0, 113, 1)));
        assert_eq!(address_of(&node(&all[..1])), None);
        assert_eq!(address_of(&Node::default()), None);
    }
}
