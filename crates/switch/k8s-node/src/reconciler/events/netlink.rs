//! rtnetlink: which of our things an interface, an address or a route that has changed belongs to. Of a switch with many routes, most
//! are none of ours.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use anyhow::{Context, Result};
use cluster::{BRIDGE, VXLAN};
use contract::status::Kept;
use ipnet::Ipv4Net;
use rustix::{
    io::Errno,
    net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv, socket_with},
};

use crate::switch::Switch;

/// Multicast groups: links, IPv4 addresses, IPv4 routes, and what `ip_forward` changes.
const GROUPS: u32 = 1 | 0x10 | 0x40 | 1 << 23;

/// `struct nlmsghdr`.
const HEADER: usize = 16;
const NEW_LINK: u16 = 16;
const DELETED_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DELETED_ADDRESS: u16 = 21;
const DELETED_ROUTE: u16 = 25;
const NEW_SETTINGS: u16 = 80;
/// How long the kernel's structure before the attributes is: `ifinfomsg`, `ifaddrmsg`, `rtmsg`.
const LINK: usize = 16;
const ADDRESS: usize = 8;
const ROUTE: usize = 12;
/// `IFLA_IFNAME`, `IFA_LABEL`: an interface's name.
const NAME: u16 = 3;
/// `RTA_DST`
const DESTINATION: u16 = 1;

/// The ranges that we have routes to.
#[derive(Debug, Default)]
pub struct Ranges {
    pods: Vec<Ipv4Net>,
    services: Option<Ipv4Net>,
}

impl Ranges {
    pub fn of(switch: Option<&Switch>) -> Self {
        switch.map_or_else(Ranges::default, |Switch { cluster, .. }| Ranges {
            pods: cluster.nodes.iter().map(|node| node.pod_cidr).collect(),
            services: Some(cluster.service_cidr),
        })
    }

    fn kind(&self, range: Ipv4Net) -> Option<Kept> {
        if self.pods.contains(&range) {
            return Some(Kept::Routes);
        }
        // Without a default route, that for Services is missed.
        (range.prefix_len() == 0 || self.services == Some(range)).then_some(Kept::ServiceRoute)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum News {
    Of(BTreeSet<Kept>),
    /// There was more than the kernel keeps for us.
    Lost,
}

pub struct Changes(OwnedFd);

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Changes {
    pub fn listen() -> Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // rtnetlink is the protocol 0.
        let opened = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None);
        let socket = opened.context("cannot listen to rtnetlink")?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS)).context("cannot listen to rtnetlink")?;
        Ok(Changes(socket))
    }

    /// Everything that has been told by now.
    pub fn news(&self, ranges: &Ranges) -> Result<News> {
        let mut kinds = BTreeSet::new();
        let mut buffer = [0_u8; 16 << 10];
        loop {
            match recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _)) => kinds.extend(read(buffer.get(..length).unwrap_or_default(), ranges)),
                Err(Errno::AGAIN) => return Ok(News::Of(kinds)),
                Err(Errno::NOBUFS) => return Ok(News::Lost),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot read rtnetlink"),
            }
        }
    }
}

/// What a datagram's messages are about.
fn read(mut datagram: &[u8], ranges: &Ranges) -> Vec<Kept> {
    let mut kinds = Vec::new();
    while let Some(length) = number(datagram, 0) {
        let length = length as usize;
        let (Some(kind), Some(body)) = (short(datagram, 4), datagram.get(HEADER..length)) else { break };
        kinds.extend(message(kind, body, ranges));
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    kinds
}

fn message(kind: u16, body: &[u8], ranges: &Ranges) -> Vec<Kept> {
    match kind {
        NEW_LINK | DELETED_LINK => {
            let name = attribute(body, LINK, NAME).map(text).unwrap_or_default();
            if name == VXLAN {
                return vec![Kept::Routes];
            }
            // With an interface that is set down its routes go, and nobody tells.
            let pods = name == BRIDGE || name.starts_with("veth");
            if pods { vec![Kept::Bridge] } else { vec![Kept::ServiceRoute] }
        }
        NEW_ADDRESS | DELETED_ADDRESS => match attribute(body, ADDRESS, NAME).map(text) {
            Some(BRIDGE) => vec![Kept::Bridge],
            Some(VXLAN) => vec![Kept::Routes],
            _ => Vec::new(),
        },
        DELETED_ROUTE => destination(body).and_then(|range| ranges.kind(range)).into_iter().collect(),
        NEW_SETTINGS => vec![Kept::Sysctls],
        _ => Vec::new(),
    }
}

/// A route without one is the default route.
fn destination(body: &[u8]) -> Option<Ipv4Net> {
    let length = *body.get(1)?;
    let address: [u8; 4] =
        attribute(body, ROUTE, DESTINATION).and_then(|value| value.try_into().ok()).unwrap_or_default();
    Ipv4Net::new(Ipv4Addr::from(address), length).ok()
}

fn attribute(body: &[u8], behind: usize, wanted: u16) -> Option<&[u8]> {
    let mut attributes = body.get(behind..)?;
    loop {
        let length = usize::from(short(attributes, 0)?);
        if short(attributes, 2)? == wanted {
            return attributes.get(4..length);
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default().trim_end_matches('\0')
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::{process::Command, thread, time::Duration};

    use common::netns;

    use super::*;

    #[test]
    fn no_datagram_is_read_beyond_its_end_or_for_ever() {
        let ranges = Ranges::default();
        for datagram in
            [&[][..], &[0; 64], &[255; 64], &[16, 0, 0, 0], &[20, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]
        {
            assert!(read(datagram, &ranges).len() <= 1, "{datagram:?}");
        }
    }

    #[test]
    #[ignore = "needs root, for a network namespace, and iproute2"]
    fn what_concerns_us_is_told_and_other_routes_are_not() {
        let inside = || {
            netns::unshare().unwrap();
            let ranges =
                Ranges { pods: vec!["10.16.1.0/24".parse().unwrap()], services: Some("10.10.0.0/16".parse().unwrap()) };
            let changes = Changes::listen().unwrap();
            let news = |words: &str| {
                assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success(), "{words}");
                thread::sleep(Duration::from_millis(20));
                match changes.news(&ranges).unwrap() {
                    News::Of(kinds) => kinds.into_iter().collect::<Vec<_>>(),
                    News::Lost => panic!("lost"),
                }
            };
            news("link set lo up");
            assert!(news("link add kube0 type bridge").contains(&Kept::Bridge));
            assert!(news("address add 10.16.0.1/24 dev kube0").contains(&Kept::Bridge));
            assert!(news("address del 10.16.0.1/24 dev kube0").contains(&Kept::Bridge));
            for (range, kinds) in [
                ("10.16.1.0/24", vec![Kept::Routes]),
                ("10.10.0.0/16", vec![Kept::ServiceRoute]),
                ("default", vec![Kept::ServiceRoute]),
                ("10.16.2.0/24", vec![]),
            ] {
                news(&format!("route add {range} dev lo"));
                assert_eq!(news(&format!("route del {range} dev lo")), kinds, "{range}");
            }
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
            assert!(news("link show").contains(&Kept::Sysctls));
            assert!(news("link delete kube0").contains(&Kept::Bridge));
            assert!(news("link add kube-vxlan type vxlan id 9 dstport 0 local 127.0.0.1").contains(&Kept::Routes));
            assert!(news("address add 10.16.0.1/32 dev kube-vxlan").contains(&Kept::Routes));
            assert!(news("link delete kube-vxlan").contains(&Kept::Routes));
        };
        thread::spawn(inside).join().unwrap();
    }
}
