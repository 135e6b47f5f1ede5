//! Routing knows first: a node is out of reach when the route to its address goes, long before the API server gives it up. Its endpoints are left
//! out from then on where a Service has others. Upstream's kube-proxy does not look at routes; without `--routed-nodes` neither does this one.
//!
//! 1. [`routes`] asks the kernel which nodes have a route, and waits until that may have changed.
//! 2. [`damping`] says, as a pure function of that and the time, which nodes count as out of reach.
//! 3. [`follow`] tells the syncer, on a thread of its own.

mod damping;
mod routes;

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;

use crate::model::Change;
use crate::news::{NewsSender, NobodyListens};
use damping::Damping;
use routes::Routes;

/// Before the kernel is asked again where it could not be.
const PAUSE: Duration = Duration::from_secs(10);

/// Another node, as the command line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedNode {
    pub address: Ipv4Addr,
    pub pods: Ipv4Net,
}

impl RoutedNode {
    /// Where its endpoints are: its pods, and what has its own network.
    fn blocks(self) -> [Ipv4Net; 2] {
        [self.pods, self.address.into()]
    }
}

/// Follows the routes to these nodes for as long as somebody listens.
pub fn follow(nodes: Vec<RoutedNode>, news: NewsSender) {
    if nodes.is_empty() {
        return;
    }
    let followed = move || {
        let mut said = false;
        loop {
            let Err(error) = follow_until_failure(&nodes, &news) else { return };
            if !std::mem::replace(&mut said, true) {
                tracing::warn!(%error, "routes cannot be followed: endpoints of a dead node stay until the API server leaves them out");
            }
            // Nobody knows any more.
            if news.tell(Change::Unrouted(Vec::new()), None).is_err() {
                return;
            }
            thread::sleep(PAUSE);
        }
    };
    if let Err(error) = thread::Builder::new().name("routes".to_owned()).spawn(followed) {
        tracing::warn!(%error, "routes are not followed");
    }
}

/// Ends well where nobody listens any more.
fn follow_until_failure(nodes: &[RoutedNode], news: &NewsSender) -> std::io::Result<()> {
    let mut routes = Routes::open(nodes.iter().map(|node| node.address).collect())?;
    let mut damping = Damping::new(nodes.len());
    loop {
        let has_route = routes.look()?;
        let now = Instant::now();
        let changed = damping.take(&has_route, now);
        for &at in &changed {
            let Some(node) = nodes.get(at) else { continue };
            match damping.is_out_of_reach(at) {
                true => {
                    tracing::warn!(node = %node.address, "there is no route to this node any more: its endpoints are left out where there are others")
                }
                false => {
                    tracing::info!(node = %node.address, "there has been a route to this node for a while: its endpoints are used again")
                }
            }
        }
        if !changed.is_empty() && tell(nodes, &damping, news).is_err() {
            return Ok(());
        }
        routes.wait(damping.next().map(|next| next.saturating_duration_since(now)))?;
    }
}

fn tell(nodes: &[RoutedNode], damping: &Damping, news: &NewsSender) -> Result<(), NobodyListens> {
    let out = nodes.iter().enumerate().filter(|(at, _)| damping.is_out_of_reach(*at));
    news.tell(Change::Unrouted(out.flat_map(|(_, node)| node.blocks()).collect()), None)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use common::netns;

    use super::*;
    use crate::news::{self, Arrived, NewsQueue};

    fn ip(arguments: &str) {
        let status = Command::new("ip").args(arguments.split_whitespace()).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    }

    fn told(queue: &NewsQueue, limit: Duration) -> Option<Vec<Ipv4Net>> {
        match queue.wait(Some(limit)) {
            Arrived::News(news) => news.changes.into_iter().find_map(|(change, _)| match change {
                Change::Unrouted(blocks) => Some(blocks),
                _ => None,
            }),
            _ => None,
        }
    }

    #[test]
    #[ignore = "needs root, for a network namespace"]
    fn a_node_whose_route_goes_by_any_way_is_told_at_once_and_its_return_after_a_while() {
        netns::unshare().unwrap();
        for command in [
            "link set lo up",
            "link add one type veth peer name beyond-one",
            "link set one up",
            "link set beyond-one up",
            "address add 192.0.2.1/24 dev one",
            "link add two type veth peer name beyond-two",
            "link set two up",
            "link set beyond-two up",
            "address add 198.51.100.1/24 dev two",
            "route add default via 192.0.2.254",
            "route add 2.2.2.2/32 via 192.0.2.2",
            "route add 3.3.3.3/32 nexthop via 192.0.2.3 nexthop via 198.51.100.3",
        ] {
            ip(command);
        }
        let node =
            |address: &str, pods: &str| RoutedNode { address: address.parse().unwrap(), pods: pods.parse().unwrap() };
        // The last one has never had a route but the default one.
        let nodes =
            vec![node("2.2.2.2", "10.16.1.0/24"), node("3.3.3.3", "10.16.2.0/24"), node("4.4.4.4", "10.16.3.0/24")];
        let (news, queue) = news::channel();
        follow(nodes, news);
        assert_eq!(told(&queue, Duration::from_millis(500)), None, "all are there");
        let of_two: Vec<Ipv4Net> = vec!["10.16.1.0/24".parse().unwrap(), "2.2.2.2/32".parse().unwrap()];
        let soon = Duration::from_secs(1);
        ip("route del 2.2.2.2/32");
        assert_eq!(told(&queue, soon), Some(of_two.clone()));
        ip("route add 2.2.2.2/31 via 192.0.2.2");
        assert_eq!(told(&queue, soon), None, "it has to last");
        assert_eq!(told(&queue, damping::FIRST_HOLD), Some(Vec::new()));
        ip("route add 10.99.0.0/16 via 192.0.2.9");
        // The kernel tells of no route that goes with its interface.
        ip("link set two down");
        assert_eq!(told(&queue, soon), None, "one of two ways is left");
        ip("route replace unreachable 2.2.2.2/31");
        assert_eq!(told(&queue, soon), Some(of_two), "a route that leads nowhere is none");
        ip("link set beyond-one down");
        assert_eq!(told(&queue, soon).map(|blocks| blocks.len()), Some(4), "a route over a link that is down is none");
    }
}
