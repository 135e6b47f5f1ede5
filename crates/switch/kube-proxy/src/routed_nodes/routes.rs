//! The kernel's routes to some addresses, over rtnetlink: of each address the one that packets take, as long as it leads anywhere.

use std::io;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use common::netlink::{Netlink, is_learned, messages};
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
/// `RTNLGRP_NEXTHOP`: so do those that go with a nexthop object. Kernels before 5.3 have neither.
const NEXTHOPS: u32 = 32;

/// A routing program replaces routes one after the other; what it is at is let end.
const GATHER: Duration = Duration::from_millis(50);
/// Looking takes one of so many parts of the time, however often routes change: a router may have very many.
const SHARE: u32 = 20;
/// Whatever is told, and is not.
const PERIOD: Duration = Duration::from_secs(30);
const PERIOD_SHARE: u32 = 200;

/// How long the prefix is by which an address is reached; 0 by a default route, `None` by none.
pub type Reached = Option<u8>;

pub struct Routes {
    to: Vec<Ipv4Addr>,
    kernel: Netlink,
    changes: Socket,
    took: Duration,
}

/// The route that packets take to an address: the longest prefix, and of its routes the one with the smallest metric.
#[derive(Clone, Copy)]
struct Best {
    length: u8,
    metric: u32,
    leads_on: bool,
}

impl Routes {
    pub fn open(to: Vec<Ipv4Addr>) -> io::Result<Self> {
        let mut changes = Socket::new(NETLINK_ROUTE)?;
        changes.bind(&SocketAddr::new(0, GROUPS.cast_unsigned()))?;
        if let Err(error) = changes.add_membership(NEXTHOPS) {
            tracing::debug!("this kernel tells of no nexthop objects: {error}");
        }
        changes.set_non_blocking(true)?;
        Ok(Self { to, kernel: Netlink::new()?, changes, took: Duration::ZERO })
    }

    /// How each of the addresses is reached now.
    pub fn look(&mut self) -> io::Result<Vec<Reached>> {
        let began = Instant::now();
        let mut all = RouteMessage::default();
        all.header.address_family = AddressFamily::Inet;
        all.header.table = RouteHeader::RT_TABLE_MAIN;
        let Self { to, kernel, .. } = self;
        let concerns = |message: &RouteNetlinkMessage| match message {
            RouteNetlinkMessage::NewRoute(route) => concerns(route, to),
            _ => false,
        };
        let found = kernel.dump_where(RouteNetlinkMessage::GetRoute(all), &concerns)?;
        let mut best: Vec<Option<Best>> = vec![None; to.len()];
        for message in found {
            let RouteNetlinkMessage::NewRoute(route) = message else { continue };
            let Some(block) = destination(&route) else { continue };
            let this = Best { length: block.prefix_len(), metric: metric(&route), leads_on: leads_on(&route) };
            for (best, _) in best.iter_mut().zip(&*to).filter(|(_, address)| block.contains(*address)) {
                let before = best.get_or_insert(this);
                let order = |of: Best| (std::cmp::Reverse(of.length), of.metric, !of.leads_on);
                if order(this) < order(*before) {
                    *before = this;
                }
            }
        }
        self.took = began.elapsed();
        Ok(best.into_iter().map(|best| best.filter(|best| best.leads_on).map(|best| best.length)).collect())
    }

    /// Waits until the answer may be another one, or for `limit`, or until it is time to look all the same.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<()> {
        let period = PERIOD.max(self.took * PERIOD_SHARE);
        let end = Instant::now() + limit.map_or(period, |limit| limit.min(period));
        thread::sleep((self.took * SHARE).min(period));
        loop {
            let left = Timespec::try_from(end.saturating_duration_since(Instant::now()));
            let left = left.unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            match poll(&mut [PollFd::new(&self.changes, PollFlags::IN)], Some(&left)) {
                Ok(0) => return Ok(()),
                Ok(_) if self.tells()? => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        thread::sleep(GATHER);
        self.pass_over()
    }

    /// Takes in what the kernel tells, until something of it matters.
    fn tells(&self) -> io::Result<bool> {
        while let Some(told) = self.told()? {
            let matters = told.is_none_or(|told| messages(&told).any(|message| self.matters(message)));
            if matters {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes in what came meanwhile, which the next look sees; what goes on coming is for the wait after that.
    fn pass_over(&self) -> io::Result<()> {
        let end = Instant::now() + GATHER;
        while Instant::now() < end && self.told()?.is_some() {}
        Ok(())
    }

    /// What was told next, if anything; without a text, if that was lost.
    fn told(&self) -> io::Result<Option<Option<Vec<u8>>>> {
        loop {
            return match self.changes.recv_from_full() {
                Ok((told, _)) => Ok(Some(Some(told))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // More was told than waits here: nobody knows what.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(Some(None)),
                Err(error) => Err(error),
            };
        }
    }

    fn matters(&self, message: &[u8]) -> bool {
        // What cannot be read may say anything.
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) else { return true };
        match message.payload {
            NetlinkPayload::InnerMessage(message) => match &message {
                RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
                    !is_learned(&message) && concerns(route, &self.to)
                }
                // A bridge tells of its ports so.
                RouteNetlinkMessage::NewLink(link) => link.header.interface_family != AddressFamily::Bridge,
                _ => true,
            },
            _ => true,
        }
    }
}

fn concerns(route: &RouteMessage, to: &[Ipv4Addr]) -> bool {
    destination(route).is_some_and(|block| to.iter().any(|address| block.contains(address)))
}

/// `None` of tables that are not asked first.
fn destination(route: &RouteMessage) -> Option<Ipv4Net> {
    if route.header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    let address = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(*address),
        _ => None,
    });
    // A default route has none.
    Ipv4Net::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED), route.header.destination_prefix_length).ok()
}

fn metric(route: &RouteMessage) -> u32 {
    let metric = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    });
    metric.unwrap_or(0)
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
