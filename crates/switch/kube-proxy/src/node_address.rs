//! This node's address, where `--bind-address` does not say it: as upstream, the first internal one of the Node object, or else the first external
//! one. A load balancer's source ranges that have it in them let this node in by the load balancer's address, too.
//!
//! No Service waits for it: it is asked for beside the watches, and again and again, as kubelet may come after us. Where there is no such Node for
//! long, the name is wrong, which is said: no endpoint is known to be here then.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};

use crate::model::Change;
use crate::news::NewsSender;

/// For one answer.
const LIMIT: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// So long a new node's kubelet may take to make it.
const TO_REGISTER: Duration = Duration::from_secs(60);

/// Asks until the Node object is there, and tells its address to `news`, if somebody wants it.
pub async fn find(client: Client, node: String, news: Option<NewsSender>) {
    let mut pause = FIRST_PAUSE;
    let mut said = false;
    let mut absence = Absence::default();
    loop {
        let asked = ask(&client, &node).await;
        if absence.lasts(matches!(asked, Ok(Asked::NoNode)), Instant::now()) {
            tracing::warn!(
                "there is no Node {node}: with a name that is no Node's nothing is known to run here. Pods do not reach themselves by their \
                 Services then, policies Local find nobody, and health check node ports say 503. Give kubelet's name with --hostname-override"
            );
        }
        let lacking = match (asked, &news) {
            (Ok(Asked::Address(address)), Some(news)) => {
                tracing::info!(%address, "this node's address, by its Node object");
                // Nobody listens where the program ends.
                let _ = news.tell(Change::NodeAddress(address), None);
                return;
            }
            (Ok(Asked::Address(_) | Asked::NoAddress), None) => return,
            (Ok(Asked::NoAddress), Some(_)) => "it has no IPv4 address".to_owned(),
            (Ok(Asked::NoNode), _) => "it is not there yet".to_owned(),
            (Err(error), _) => error,
        };
        if news.is_some() && !std::mem::replace(&mut said, true) {
            tracing::info!(
                "this node's address is not known, which loadBalancerSourceRanges are compared with: \
                 the Node object {node}: {lacking}; asking again (--bind-address says it, too)"
            );
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// That there is no such Node, for longer than kubelet takes to make it.
#[derive(Default)]
struct Absence {
    since: Option<Instant>,
    said: bool,
}

impl Absence {
    /// Whether it is time to say so, which is once.
    fn lasts(&mut self, absent: bool, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        if !absent {
            self.since = None;
        }
        absent && now.saturating_duration_since(since) >= TO_REGISTER && !std::mem::replace(&mut self.said, true)
    }
}

/// What is known of the Node object.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    NoNode,
    /// None of IPv4.
    NoAddress,
    Address(Ipv4Addr),
}

/// The address that the Node object has now, if it is there and has one.
pub async fn known(client: &Client, node: &str) -> Result<Option<Ipv4Addr>, String> {
    ask(client, node).await.map(|asked| match asked {
        Asked::Address(address) => Some(address),
        Asked::NoNode | Asked::NoAddress => None,
    })
}

/// Asks once.
async fn ask(client: &Client, node: &str) -> Result<Asked, String> {
    match tokio::time::timeout(LIMIT, Api::<Node>::all(client.clone()).get_opt(node)).await {
        Ok(Ok(None)) => Ok(Asked::NoNode),
        Ok(Ok(Some(node))) => Ok(address_of(&node).map_or(Asked::NoAddress, Asked::Address)),
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
    fn a_node_that_is_not_there_for_long_is_told_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut absence = Absence::default();
        for (seconds, absent, told) in [
            (0, true, false),
            (40, false, false),
            (50, true, false),
            (90, true, false),
            (111, true, true),
            (200, true, false),
        ] {
            assert_eq!(absence.lasts(absent, at(seconds)), told, "{seconds}");
        }
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
