//! The kernel's routes to some addresses, over rtnetlink. A default route leads everywhere and says nothing of a node, so that it counts for none.

use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use common::netlink::{Netlink, messages};
use ipnet::Ipv4Net;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Routes that go with an interface or an address go without a word of their own.
const GROUPS: i32 = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV4_ROUTE;

/// A routing program replaces routes one after the other; what it is at is let end.
const GATHER: Duration = Duration::from_millis(50);

pub struct Routes {
    to: Vec<Ipv4Addr>,
    kernel: Netlink,
    changes: Socket,
}

impl Routes {
    pub fn open(to: Vec<Ipv4Addr>) -> io::Result<Self> {
        let mut changes = Socket::new(NETLINK_ROUTE)?;
        changes.bind(&SocketAddr::new(0, GROUPS.cast_unsigned()))?;
        changes.set_non_blocking(true)?;
        Ok(Self { to, kernel: Netlink::new()?, changes })
    }

    /// Whether each of the addresses has a route now.
    pub fn look(&mut self) -> io::Result<Vec<bool>> {
        let Self { to, kernel, .. } = self;
        let mut has_route = vec![false; to.len()];
        let mut all = RouteMessage::default();
        all.header.address_family = AddressFamily::Inet;
        kernel.dump_each(RouteNetlinkMessage::GetRoute(all), &mut |found| {
            let RouteNetlinkMessage::NewRoute(route) = found else { return };
            if let Some(block) = destination(&route).filter(|_| leads_on(&route)) {
                has_route.iter_mut().zip(&*to).for_each(|(has, address)| *has |= block.contains(address));
            }
        })?;
        Ok(has_route)
    }

    /// Waits until the answer may be another one, or for `limit`.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<()> {
        let end = limit.map(|limit| Instant::now() + limit);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            // It is a minute at most.
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut [PollFd::new(&self.changes, PollFlags::IN)], left.as_ref()) {
                Ok(0) => return Ok(()),
                Ok(_) if self.take()? => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        std::thread::sleep(GATHER);
        self.take().map(drop)
    }

    /// Takes in what the kernel tells; returns whether any of it matters.
    fn take(&self) -> io::Result<bool> {
        let mut matters = false;
        loop {
            match self.changes.recv_from_full() {
                Ok((received, _)) => matters |= messages(&received).any(|message| self.matters(message)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(matters),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // More was told than waits here: nobody knows what.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => matters = true,
                Err(error) => return Err(error),
            }
        }
    }

    fn matters(&self, message: &[u8]) -> bool {
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else { return false };
        match message.payload {
            NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route),
            ) => destination(&route).is_some_and(|block| self.to.iter().any(|address| block.contains(address))),
            _ => true,
        }
    }
}

/// `None` of a default route, and of tables that are not asked first.
fn destination(route: &RouteMessage) -> Option<Ipv4Net> {
    let length = route.header.destination_prefix_length;
    if length == 0 || route.header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Ipv4Net::new(*address, length).ok(),
        _ => None,
    })
}

/// Whether packets get anywhere by it: by one of its ways at least, where it has several.
fn leads_on(route: &RouteMessage) -> bool {
    let ways = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::MultiPath(ways) => Some(ways),
        _ => None,
    });
    let is_up = match ways {
        Some(ways) => {
            ways.iter().any(|way| !way.flags.intersects(RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown))
        }
        None => !route.header.flags.intersects(RouteFlags::Dead | RouteFlags::Linkdown),
    };
    route.header.kind == RouteType::Unicast && is_up
}
