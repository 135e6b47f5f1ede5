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
const PAUSE: Duration = Duration::from_secs(5);

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
        let mut damping = Damping::new(nodes.len());
        let mut failures = 0_u32;
        loop {
            let followed = follow_until_failure(&nodes, &news, &mut damping, &mut failures);
            let Err(error) = followed else { return };
            failures += 1;
            if failures == 2 {
                tracing::warn!(%error, "routes cannot be followed: endpoints of a dead node stay until the API server leaves them out");
                // Nobody knows any more.
                damping.forgive();
                if tell(&nodes, &damping, &news).is_err() {
                    return;
                }
            }
            thread::sleep(PAUSE);
        }
    };
    if let Err(error) = thread::Builder::new().name("routes".to_owned()).spawn(followed) {
        tracing::warn!(%error, "routes are not followed");
    }
}

/// Ends well where nobody listens any more.
fn follow_until_failure(
    nodes: &[RoutedNode],
    news: &NewsSender,
    damping: &mut Damping,
    failures: &mut u32,
) -> std::io::Result<()> {
    let mut routes = Routes::open(nodes.iter().map(|node| node.address).collect())?;
    loop {
        let reached = routes.look()?;
        if std::mem::take(failures) > 1 {
            tracing::info!("routes are followed again");
        }
        let now = Instant::now();
        let changed = damping.take(&reached, now);
        for &at in &changed {
            let Some(node) = nodes.get(at) else { continue };
            match damping.is_out_of_reach(at) {
                true => {
                    tracing::warn!(node = %node.address, "the route to this node is gone: its endpoints are left out where others are ready")
                }
                false => {
                    tracing::info!(node = %node.address, "there has been a route to this node for a while: its endpoints are used again")
                }
            }
        }
        if !changed.is_empty() && tell(nodes, damping, news).is_err() {
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
    use std::io::{BufRead, BufReader, Write};
    use std::net::UdpSocket;
    use std::process::{Command, Stdio};

    use common::{netlink::Netlink, netns};
    use netlink_packet_route::{AddressFamily, RouteNetlinkMessage, route::RouteMessage};
    use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};

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

    fn blocks(of: &[&str]) -> Option<Vec<Ipv4Net>> {
        Some(of.iter().map(|block| block.parse().unwrap()).collect())
    }

    const SOON: Duration = Duration::from_secs(1);
    const OF_TWO: [&str; 2] = ["10.16.1.0/24", "2.2.2.2/32"];

    /// Three nodes behind two links; the last one has no route but the default one.
    fn followed() -> NewsQueue {
        netns::unshare().unwrap();
        for command in [
            "link set lo up",
            "link add one type veth peer name beyond-one",
            "link set one up",
            "link set beyond-one up",
            "link add two type veth peer name beyond-two",
            "link set two up",
            "link set beyond-two up",
            "address add 192.0.2.1/24 dev one",
            "address add 198.51.100.1/24 dev two",
            "route add default via 192.0.2.254",
            "route add 2.2.2.2/32 via 192.0.2.2",
            "route add 3.3.3.3/32 nexthop via 192.0.2.3 nexthop via 198.51.100.3",
        ] {
            ip(command);
        }
        let node =
            |address: &str, pods: &str| RoutedNode { address: address.parse().unwrap(), pods: pods.parse().unwrap() };
        let nodes =
            vec![node("2.2.2.2", "10.16.1.0/24"), node("3.3.3.3", "10.16.2.0/24"), node("4.4.4.4", "10.16.3.0/24")];
        let (news, queue) = news::channel();
        follow(nodes, news);
        assert_eq!(told(&queue, Duration::from_millis(500)), None, "all are there");
        queue
    }

    #[test]
    #[ignore = "needs root, for a network namespace"]
    fn a_node_whose_route_goes_by_any_way_is_told_at_once_and_its_return_after_a_while() {
        let queue = followed();
        ip("route del 2.2.2.2/32");
        assert_eq!(told(&queue, SOON), blocks(&OF_TWO));
        ip("route add 2.2.2.2/32 via 192.0.2.2");
        assert_eq!(told(&queue, SOON), None, "it has to last");
        assert_eq!(told(&queue, damping::FIRST_HOLD), blocks(&[]));
        ip("route add 10.99.0.0/16 via 192.0.2.9");
        // The kernel tells of no route that goes with its interface.
        ip("link set two down");
        assert_eq!(told(&queue, SOON), None, "one of two ways is left");
        ip("route add 2.2.0.0/16 via 192.0.2.9");
        ip("route replace unreachable 2.2.2.2/32");
        assert_eq!(told(&queue, SOON), blocks(&OF_TWO), "packets do not take the summary's way");
        ip("link set beyond-one down");
        let told = told(&queue, SOON * 3).map(|blocks| blocks.len());
        assert_eq!(told, Some(4), "a route over a link that is down is none");
    }

    #[test]
    #[ignore = "needs root, for a network namespace"]
    fn a_summary_that_stays_hides_no_loss() {
        let queue = followed();
        ip("route add 2.2.0.0/16 via 192.0.2.9");
        ip("route del 2.2.2.2/32");
        assert_eq!(told(&queue, SOON), blocks(&OF_TWO));
    }

    /// A router behind the default gateway with a narrow link to the third node, in a namespace of its own that lasts as long as its process.
    const ROUTER: &str = "ip link set lo up; ip link add narrow type veth peer name end && ip link set end up &&
        ip link set narrow mtu 1200 up && ip route add 4.4.4.4/32 dev narrow && echo 1 > /proc/sys/net/ipv4/ip_forward &&
        echo ready && read -r _ && ip address add 203.0.113.254/24 dev beyond-three && ip link set beyond-three up && echo ready && read -r _";

    #[test]
    #[ignore = "needs root, for network namespaces"]
    fn what_the_kernel_has_learned_of_a_way_is_no_route() {
        let queue = followed();
        let mut router = Command::new("unshare")
            .args(["-n", "sh", "-c", ROUTER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut tell, mut said) =
            (router.stdin.take().unwrap(), BufReader::new(router.stdout.take().unwrap()).lines());
        assert_eq!(said.next().unwrap().unwrap(), "ready");
        ip("link add three type veth peer name beyond-three");
        ip(&format!("link set beyond-three netns {}", router.id()));
        ip("address add 203.0.113.1/24 dev three");
        ip("link set three up");
        writeln!(tell).unwrap();
        assert_eq!(said.next().unwrap().unwrap(), "ready");
        ip("route replace default via 203.0.113.254");
        let socket = UdpSocket::bind("203.0.113.1:0").unwrap();
        set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO).unwrap();
        let all = || {
            let mut all = RouteMessage::default();
            all.header.address_family = AddressFamily::Inet;
            RouteNetlinkMessage::GetRoute(all)
        };
        let learned = || {
            let listed = Command::new("ip").args(["-4", "route", "get", "4.4.4.4"]).output().unwrap();
            String::from_utf8(listed.stdout).unwrap().contains("mtu 1200")
        };
        let end = Instant::now() + Duration::from_secs(10);
        while !learned() {
            assert!(Instant::now() < end, "the kernel learns nothing");
            // Refused, once it has.
            let _ = socket.send_to(&[0; 1400], ("4.4.4.4", 9));
            thread::sleep(Duration::from_millis(50));
        }
        let listed = Netlink::new().unwrap().dump(all()).unwrap();
        assert!(!listed.is_empty() && !format!("{listed:?}").contains("4.4.4.4"), "{listed:?}");
        ip("route add 10.99.0.0/16 via 192.0.2.9");
        // Were it taken for one, the node would be lost with it.
        ip("route flush cache");
        ip("address add 203.0.113.2/24 dev three");
        assert_eq!(told(&queue, SOON), None);
        drop(tell);
        router.wait().unwrap();
    }
}
