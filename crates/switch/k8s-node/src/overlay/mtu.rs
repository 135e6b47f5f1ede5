//! How large a pod's packet may be: what the kernel knows of the ways to the other nodes, less what VXLAN puts around it.
//!
//! The kernel learns of a narrow place on the way by the ICMP error that comes back. So each look also sends a packet of the largest
//! size that must not be fragmented: VXLAN's receiver drops it, as there is no VXLAN header in it, and the second look knows. The
//! kernel forgets what it has learnt after ten minutes.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    thread,
    time::Duration,
};

use cluster::Network;
use common::netlink::Netlink;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric},
};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};

/// IP's and UDP's headers.
const HEADERS: u16 = 28;

/// Longer than the error takes to come back through a fabric.
const ANSWERED: Duration = Duration::from_millis(300);

/// `limit` at most; a way that is not there now narrows nothing.
pub fn towards(peers: &[Ipv4Addr], local: Ipv4Addr, port: u16, limit: u16) -> io::Result<u16> {
    let mut kernel = Netlink::new()?;
    let around = limit.saturating_add(Network::AROUND);
    let mut asked = false;
    for peer in peers {
        let Ok(Some(mtu)) = path(&mut kernel, *peer) else { continue };
        asked |= probe(local, *peer, port, around.min(mtu)).is_ok();
    }
    if asked {
        thread::sleep(ANSWERED);
    }
    let found = peers.iter().filter_map(|peer| path(&mut kernel, *peer).ok().flatten());
    let narrowest = found.fold(around, u16::min);
    Ok(narrowest.saturating_sub(Network::AROUND).max(*Network::MTUS.start()))
}

/// What the kernel knows of the way: what it has learnt, else what its first interface takes.
fn path(kernel: &mut Netlink, peer: Ipv4Addr) -> io::Result<Option<u16>> {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    question.header.destination_prefix_length = 32;
    question.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(peer))];
    let Some(RouteNetlinkMessage::NewRoute(route)) = kernel.get(RouteNetlinkMessage::GetRoute(question))? else {
        return Ok(None);
    };
    let learnt = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Metrics(metrics) => metrics.iter().find_map(|metric| match metric {
            RouteMetric::Mtu(mtu) => Some(*mtu),
            _ => None,
        }),
        _ => None,
    });
    let interface = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    });
    let mtu = match (learnt, interface) {
        (Some(mtu), _) => Some(mtu),
        (None, Some(index)) => of_interface(kernel, index)?,
        (None, None) => None,
    };
    Ok(mtu.map(|mtu| u16::try_from(mtu).unwrap_or(u16::MAX)))
}

fn of_interface(kernel: &mut Netlink, index: u32) -> io::Result<Option<u32>> {
    let mut question = LinkMessage::default();
    question.header.index = index;
    let Some(RouteNetlinkMessage::NewLink(link)) = kernel.get(RouteNetlinkMessage::GetLink(question))? else {
        return Ok(None);
    };
    Ok(link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    }))
}

fn probe(local: Ipv4Addr, peer: Ipv4Addr, port: u16, mtu: u16) -> io::Result<()> {
    let socket = UdpSocket::bind((local, 0))?;
    set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO)?;
    socket.set_nonblocking(true)?;
    socket.send_to(&vec![0; usize::from(mtu.saturating_sub(HEADERS))], (peer, port)).map(drop)
}
