//! VXLAN between the nodes' addresses: the interface, and for each other node where its pods are. All of it follows from cluster.toml,
//! so that nothing is learnt, and nothing is flooded.
//!
//! [`Overlay`] is how it should be, as a pure value; [`Overlay::apply`] compares the kernel with it, changes what differs, and may be
//! called at any time. The reconciler looks by the same comparison, which then changes nothing. It receives as soon as it is there; what
//! is sent through it is a matter of [`Overlay::sends`].

mod mtu;

use std::{collections::BTreeSet, fs, io, net::Ipv4Addr, path::Path};

use anyhow::{Context, Result, bail};
use cluster::{Backend, Cluster, NetworkOn, Node, VXLAN};
use common::{files, netlink::Netlink};
use contract::places;
use ipnet::Ipv4Net;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage as Message,
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
    },
};
use rustix::io::Errno;

use crate::desired::Desired;

type Mac = [u8; 6];

/// What the kernel should have of it on one switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// This node's address, which the outer packets have.
    local: Ipv4Addr,
    /// Its address in the range of its pods.
    gateway: Ipv4Addr,
    vni: u32,
    port: u16,
    mtu: u16,
    peers: BTreeSet<Peer>,
    /// Whether what is for the others' pods is sent through it.
    sends: bool,
}

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Peer {
    address: Ipv4Addr,
    gateway: Ipv4Addr,
    pods: Ipv4Net,
}

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The interface was made.
    pub made: bool,
    /// It was set up, or given its MTU or its settings.
    pub set: bool,
    pub added: usize,
    pub removed: usize,
}

/// The kernel knows no VXLAN.
#[derive(Debug, thiserror::Error)]
#[error(
    "this switch's kernel has no VXLAN: where whatever forwards between the switches knows the pods' ranges, write backend = \"routes\" below \
     [network] into every cluster.toml"
)]
pub struct NoVxlan;

/// Whether the interface is there.
pub fn is_there() -> Result<bool> {
    let mut kernel = Netlink::new().context("cannot open a netlink socket")?;
    Ok(link(&mut kernel)?.is_some())
}

/// The largest packet of a pod, as the ways to the other nodes are now.
pub fn mtu(cluster: &Cluster, node: &Node, network: &NetworkOn) -> Result<u16> {
    let others: Vec<Ipv4Addr> =
        cluster.nodes.iter().filter(|other| other.name != node.name).map(|other| other.address).collect();
    let written = &network.written;
    mtu::towards(&others, node.address, written.port, written.mtu).context("cannot ask the kernel for the ways' MTU")
}

/// Keeps what a stage has found, for the reconciler: it does not judge the ways to the other nodes itself.
pub fn record_mtu(mtu: u16) -> Result<()> {
    files::write_atomically(places::OVERLAY_MTU.as_ref(), mtu.to_string())
}

fn recorded_mtu() -> Option<u16> {
    fs::read_to_string(places::OVERLAY_MTU).ok()?.trim().parse().ok()
}

/// Takes the interface away, and with it everything that leads through it.
pub fn remove() -> Result<()> {
    let mut kernel = Netlink::new().context("cannot open a netlink socket")?;
    match link(&mut kernel)? {
        Some(link) => delete(&mut kernel, &link),
        None => Ok(()),
    }
}

impl Overlay {
    pub fn desired(cluster: &Cluster, node: &Node, network: &NetworkOn, mtu: u16) -> Overlay {
        let peer = |other: &Node| Peer { address: other.address, gateway: other.gateway(), pods: other.pod_cidr };
        Overlay {
            local: node.address,
            gateway: node.gateway(),
            vni: network.written.vni,
            port: network.written.port,
            mtu,
            peers: cluster.nodes.iter().filter(|other| other.name != node.name).map(peer).collect(),
            sends: network.backend == Backend::Vxlan,
        }
    }

    /// Makes the kernel have it so. Fails with [`NoVxlan`] where it cannot.
    pub fn apply(&self) -> Result<Changes> {
        self.compare(&mut Netlink::new().context("cannot open a netlink socket")?)
    }

    /// What would be changed.
    fn differs(&self) -> Result<Changes> {
        self.compare(&mut Netlink::looking().context("cannot open a netlink socket")?)
    }

    fn compare(&self, kernel: &mut Netlink) -> Result<Changes> {
        let mut changes = Changes::default();
        // Where it only looks, nothing is there of an interface that is still to be made.
        let Some(index) = self.interface(kernel, &mut changes)? else { return Ok(changes) };
        changes.set |= settings(kernel.looks_only());
        self.address(kernel, index, &mut changes).with_context(|| format!("cannot give {VXLAN} its address"))?;
        self.neighbours(kernel, index, &mut changes).with_context(|| format!("cannot tell {VXLAN} the nodes"))?;
        self.routes(kernel, index, &mut changes).with_context(|| format!("cannot lead to pods by {VXLAN}"))?;
        Ok(changes)
    }

    fn interface(&self, kernel: &mut Netlink, changes: &mut Changes) -> Result<Option<u32>> {
        let found = link(kernel)?;
        let link = match found.filter(|link| self.is_like(link)) {
            Some(link) => link,
            None => {
                changes.made = true;
                if kernel.looks_only() {
                    return Ok(None);
                }
                self.make(kernel)?
            }
        };
        let mtu = link.attributes.iter().any(|attribute| *attribute == LinkAttribute::Mtu(self.mtu.into()));
        if !mtu || !link.header.flags.contains(LinkFlags::Up) {
            changes.set = true;
            let mut change = LinkMessage::default();
            change.header.index = link.header.index;
            change.header.flags = LinkFlags::Up;
            change.header.change_mask = LinkFlags::Up;
            change.attributes = vec![LinkAttribute::Mtu(self.mtu.into())];
            kernel.change(Message::SetLink(change)).map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::ADDRINUSE) => self.port_is_taken(),
                _ => anyhow::Error::new(error).context(format!("cannot bring {VXLAN} up")),
            })?;
        }
        Ok(Some(link.header.index))
    }

    /// In the place of one that is there and is another.
    fn make(&self, kernel: &mut Netlink) -> Result<LinkMessage> {
        if let Some(another) = link(kernel)? {
            delete(kernel, &another)?;
        }
        self.create(kernel)?;
        link(kernel)?.with_context(|| format!("{VXLAN} was made, and is not there"))
    }

    fn create(&self, kernel: &mut Netlink) -> Result<()> {
        let vxlan = vec![
            InfoVxlan::Id(self.vni),
            InfoVxlan::Local(self.local),
            InfoVxlan::Port(self.port),
            InfoVxlan::Learning(false),
        ];
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(VXLAN.to_owned()),
            LinkAttribute::Address(mac(self.local).to_vec()),
            LinkAttribute::Mtu(self.mtu.into()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vxlan), LinkInfo::Data(InfoData::Vxlan(vxlan))]),
        ];
        match kernel.create(Message::NewLink(link)) {
            Ok(()) => Ok(()),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::OPNOTSUPP) => Err(NoVxlan.into()),
                Some(Errno::EXIST) => bail!(
                    "another VXLAN interface of this switch has the VNI {} on UDP port {}: write another vni below [network], the \
                     same on every switch",
                    self.vni,
                    self.port
                ),
                Some(Errno::ADDRINUSE) => Err(self.port_is_taken()),
                _ => Err(error).with_context(|| format!("cannot make {VXLAN}")),
            },
        }
    }

    fn port_is_taken(&self) -> anyhow::Error {
        anyhow::anyhow!(
            "something else on this switch has UDP port {}: write another port below [network], the same on every switch",
            self.port
        )
    }

    /// What cannot be changed while it is there.
    fn is_like(&self, link: &LinkMessage) -> bool {
        let vxlan = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
                LinkInfo::Data(InfoData::Vxlan(data)) => Some(data),
                _ => None,
            }),
            _ => None,
        });
        let wanted = [
            InfoVxlan::Id(self.vni),
            InfoVxlan::Local(self.local),
            InfoVxlan::Port(self.port),
            InfoVxlan::Learning(false),
        ];
        vxlan.is_some_and(|found| wanted.iter().all(|one| found.contains(one)))
            && link.attributes.contains(&LinkAttribute::Address(mac(self.local).to_vec()))
    }

    fn address(&self, kernel: &mut Netlink, index: u32, changes: &mut Changes) -> io::Result<()> {
        let mut wanted = AddressMessage::default();
        wanted.header.family = AddressFamily::Inet;
        wanted.header.prefix_len = 32;
        wanted.header.index = index;
        wanted.attributes =
            vec![AddressAttribute::Local(self.gateway.into()), AddressAttribute::Address(self.gateway.into())];
        let mut all = AddressMessage::default();
        all.header.family = AddressFamily::Inet;
        let mut is_there = false;
        for found in kernel.dump(Message::GetAddress(all))? {
            let Message::NewAddress(found) = found else { continue };
            if found.header.index != index {
                continue;
            }
            let local = AddressAttribute::Local(self.gateway.into());
            if found.header.prefix_len == 32 && found.attributes.contains(&local) {
                is_there = true;
            } else {
                kernel.change(Message::DelAddress(found))?;
                changes.removed += 1;
            }
        }
        if !is_there {
            kernel.create(Message::NewAddress(wanted))?;
            changes.added += 1;
        }
        Ok(())
    }

    /// Where each node's frames go, and which frame is for its gateway.
    fn neighbours(&self, kernel: &mut Netlink, index: u32, changes: &mut Changes) -> io::Result<()> {
        let forwarding = self.peers.iter().map(|peer| (peer.address, mac(peer.address))).collect();
        let gateways = self.peers.iter().map(|peer| (peer.gateway, mac(peer.address))).collect();
        for (family, flags, wanted) in [
            (AddressFamily::Bridge, NeighbourFlags::Own, forwarding),
            (AddressFamily::Inet, NeighbourFlags::empty(), gateways),
        ] {
            let wanted: BTreeSet<(Ipv4Addr, Mac)> = wanted;
            let mut all = NeighbourMessage::default();
            all.header.family = family;
            let mut there = BTreeSet::new();
            for found in kernel.dump(Message::GetNeighbour(all))? {
                let Message::NewNeighbour(found) = found else { continue };
                if found.header.ifindex != index || found.header.family != family {
                    continue;
                }
                if is_of_the_kernel(&found) {
                    continue;
                }
                let permanent = found.header.state == NeighbourState::Permanent;
                match entry(&found).filter(|entry| permanent && wanted.contains(entry)) {
                    Some(entry) => drop(there.insert(entry)),
                    None => {
                        // One that went by itself meanwhile is gone all the same.
                        match kernel.change(Message::DelNeighbour(found)) {
                            Err(error) if Errno::from_io_error(&error) != Some(Errno::NOENT) => return Err(error),
                            _ => changes.removed += 1,
                        }
                    }
                }
            }
            for (address, mac) in wanted.difference(&there) {
                let mut message = NeighbourMessage::default();
                message.header.family = family;
                message.header.ifindex = index;
                message.header.state = NeighbourState::Permanent;
                message.header.flags = flags;
                message.attributes = vec![
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(*address)),
                    NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
                ];
                kernel.replace(Message::NewNeighbour(message))?;
                changes.added += 1;
            }
        }
        Ok(())
    }

    /// The last step: from here on packets go this way, or do not any more.
    fn routes(&self, kernel: &mut Netlink, index: u32, changes: &mut Changes) -> io::Result<()> {
        let peers = self.peers.iter().filter(|_| self.sends);
        let wanted: BTreeSet<Route> =
            peers.map(|peer| Route { to: peer.pods, by: peer.gateway, from: Some(self.gateway) }).collect();
        let mut all = RouteMessage::default();
        all.header.address_family = AddressFamily::Inet;
        let mut there = BTreeSet::new();
        let leads_here = |found: &Message| match found {
            Message::NewRoute(route) => {
                route.header.table == RouteHeader::RT_TABLE_MAIN
                    && route.attributes.contains(&RouteAttribute::Oif(index))
            }
            _ => false,
        };
        for found in kernel.dump_where(Message::GetRoute(all), &leads_here)? {
            let Message::NewRoute(found) = found else { continue };
            match Route::of(&found).filter(|route| wanted.contains(route)) {
                Some(route) => drop(there.insert(route)),
                None => {
                    // One that went by itself meanwhile is gone all the same.
                    match kernel.change(Message::DelRoute(found)) {
                        Err(error) if Errno::from_io_error(&error) != Some(Errno::SRCH) => return Err(error),
                        _ => changes.removed += 1,
                    }
                }
            }
        }
        for route in wanted.difference(&there) {
            kernel.replace(Message::NewRoute(route.message(index)))?;
            changes.added += 1;
        }
        Ok(())
    }
}

impl Desired for Overlay {
    fn wrong(&mut self) -> Result<Vec<String>> {
        self.mtu = recorded_mtu().unwrap_or(self.mtu);
        let is_right = self.differs()? == Changes::default();
        Ok(if is_right { Vec::new() } else { vec![VXLAN.to_owned()] })
    }

    fn repair(&mut self, _: &[String]) -> Result<()> {
        self.apply().map(drop)
    }
}

/// A route to pods of another node.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    to: Ipv4Net,
    by: Ipv4Addr,
    from: Option<Ipv4Addr>,
}

impl Route {
    fn of(message: &RouteMessage) -> Option<Route> {
        let address = |pick: fn(&RouteAttribute) -> Option<&RouteAddress>| {
            message.attributes.iter().find_map(pick).and_then(|address| match address {
                RouteAddress::Inet(address) => Some(*address),
                _ => None,
            })
        };
        let to = address(|attribute| match attribute {
            RouteAttribute::Destination(address) => Some(address),
            _ => None,
        })?;
        let by = address(|attribute| match attribute {
            RouteAttribute::Gateway(address) => Some(address),
            _ => None,
        })?;
        let from = address(|attribute| match attribute {
            RouteAttribute::PrefSource(address) => Some(address),
            _ => None,
        });
        Some(Route { to: Ipv4Net::new(to, message.header.destination_prefix_length).ok()?, by, from })
    }

    fn message(&self, index: u32) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.destination_prefix_length = self.to.prefix_len();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = RouteScope::Universe;
        message.header.kind = RouteType::Unicast;
        message.header.flags = RouteFlags::Onlink;
        message.attributes = vec![
            RouteAttribute::Destination(RouteAddress::Inet(self.to.network())),
            RouteAttribute::Gateway(RouteAddress::Inet(self.by)),
            RouteAttribute::Oif(index),
        ];
        message.attributes.extend(self.from.map(|from| RouteAttribute::PrefSource(RouteAddress::Inet(from))));
        message
    }
}

/// Of a node's own address, so that all know it beforehand: locally administered, and of one host.
fn mac(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    [0x02, 0x6b, a, b, c, d]
}

/// Multicast and broadcast, which nobody is asked about: it makes such an entry again and again.
fn is_of_the_kernel(message: &NeighbourMessage) -> bool {
    let is_for_many = |address: Ipv4Addr| address.is_multicast() || address.is_broadcast();
    message.header.state == NeighbourState::Noarp
        || message.header.family == AddressFamily::Inet && destination(message).is_some_and(is_for_many)
}

fn destination(message: &NeighbourMessage) -> Option<Ipv4Addr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(*address),
        // The kernel says of an entry of VXLAN's forwarding table no more than the bytes.
        NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
            <[u8; 4]>::try_from(bytes.as_slice()).ok().map(Ipv4Addr::from)
        }
        _ => None,
    })
}

fn entry(message: &NeighbourMessage) -> Option<(Ipv4Addr, Mac)> {
    let address = destination(message)?;
    let mac = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(mac) => mac.as_slice().try_into().ok(),
        _ => None,
    })?;
    Some((address, mac))
}

/// What is not there in a kernel, need not be set. While nodes change over, packets come by one way and answers go by the other.
/// Says whether anything was another.
fn settings(look_only: bool) -> bool {
    let mut any = false;
    for (name, value) in [("ipv4/conf/{}/rp_filter", "2"), ("ipv6/conf/{}/disable_ipv6", "1")] {
        let file = Path::new("/proc/sys/net").join(name.replace("{}", VXLAN));
        if fs::read_to_string(&file).is_ok_and(|held| held.trim() != value) {
            any = true;
            if !look_only {
                let _ = fs::write(&file, value);
            }
        }
    }
    any
}

fn link(kernel: &mut Netlink) -> Result<Option<LinkMessage>> {
    let mut question = LinkMessage::default();
    question.attributes = vec![LinkAttribute::IfName(VXLAN.to_owned())];
    match kernel.get(Message::GetLink(question)) {
        Ok(Some(Message::NewLink(link))) => Ok(Some(link)),
        Ok(_) => Ok(None),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot look for {VXLAN}")),
    }
}

fn delete(kernel: &mut Netlink, link: &LinkMessage) -> Result<()> {
    let mut gone = LinkMessage::default();
    gone.header.index = link.header.index;
    kernel.change(Message::DelLink(gone)).with_context(|| format!("cannot remove {VXLAN}"))
}

#[cfg(test)]
mod tests;
