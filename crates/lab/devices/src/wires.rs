//! Cables: veth pairs between the network namespaces of two processes, made, cut and repaired by rtnetlink. And the
//! routes that must not be there.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, anyhow};
use common::retry::{Failed, RetryPolicy};
use futures::TryStreamExt;
use rtnetlink::{
    Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
    packet_route::{
        link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage},
        route::{RouteAddress, RouteAttribute, RouteMessage},
    },
};

use rustix::io::Errno;

use super::network;

/// One end of a cable: a process whose network namespace it is in, and the interface's name there.
pub(super) type End<'a> = (u32, &'a str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Up,
    Down,
}

/// How often a cable is tried to be made while another is in its place.
const MAKING: RetryPolicy = RetryPolicy::times(20, Duration::from_millis(100));

/// What a macvlan's other end would be: cutting that would cut off the machine.
const NOT_A_CABLE: &str = "it is on an interface of this machine's, which is not cut";

/// Makes a cable and switches both ends on. Both ends are made where they belong, under their own names, so
/// a device that ends in the meantime leaves nothing behind.
///
/// The cable of a device that has just ended may be there yet at its other end, until the kernel comes to take it
/// away: it is taken away first.
pub(super) fn connect(one: End, other: End) -> Result<()> {
    MAKING.run("the old cables are gone", || {
        remove(one).and_then(|()| remove(other)).map_err(Failed::Stop)?;
        make(one, other).map_err(|error| {
            let again = is_there_already(&error);
            let error = error.context(format!("cannot make a veth pair of {} and {}", one.1, other.1));
            if again { Failed::NotYet(error) } else { Failed::Stop(error) }
        })
    })?;
    set(one, Carrier::Up)?;
    set(other, Carrier::Up)
}

fn make(one: End, other: End) -> Result<()> {
    let peer = LinkMessageBuilder::<LinkUnspec>::new().name(other.1).address(address()).setns_by_pid(other.0).build();
    let pair = LinkVeth::new(one.1, other.1)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .address(address())
        .setns_by_pid(one.0)
        .build();
    inside(None, async move |handle| Ok(handle.link().add(pair).execute().await?))
}

fn is_there_already(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|error| says(error, Errno::EXIST))
}

fn says(error: &rtnetlink::Error, errno: Errno) -> bool {
    let rtnetlink::Error::NetlinkError(message) = error else { return false };
    message.code.is_some_and(|code| -code.get() == errno.raw_os_error())
}

/// Takes the cable at that interface away, if there is one.
fn remove(end: End) -> Result<()> {
    inside(Some(end.0), async |handle| {
        let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
        let found = links.iter().find(|link| is_veth(link) && name_of(link) == Some(end.1));
        if let Some(link) = found {
            // The kernel may be faster.
            let _ = handle.link().del(link.header.index).execute().await;
        }
        Ok(())
    })
}

/// Switches an interface on or off.
pub(super) fn set(end: End, carrier: Carrier) -> Result<()> {
    let link = LinkUnspec::new_with_name(end.1);
    let link = if carrier == Carrier::Up { link.up() } else { link.down() }.build();
    let done = inside(Some(end.0), async move |handle| Ok(handle.link().set(link).execute().await?));
    done.with_context(|| format!("cannot switch the interface {}", end.1))
}

/// Takes the carrier of the interface with that MAC address away, or gives it back, at its other end, which is on this
/// machine: its own end stays switched on, as that of a pulled cable does.
pub(super) fn set_other_end(process: u32, mac: &[u8], carrier: Carrier) -> Result<()> {
    let found = inside(Some(process), async |handle| {
        let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
        let found = links.into_iter().find(|link| has_address(link, mac));
        found.map(|link| if is_veth(&link) { Ok(other_index(&link)) } else { Err(anyhow!(NOT_A_CABLE)) }).transpose()
    })?;
    let index = found.flatten().context("the device has no such interface any more")?;
    inside(None, async move |handle| {
        let link = LinkUnspec::new_with_index(index);
        let link = if carrier == Carrier::Up { link.up() } else { link.down() }.build();
        Ok(handle.link().set(link).execute().await?)
    })
}

/// Which default routes a device keeps: by the interface's name, and the gateway's address where the route has one.
pub(super) type Kept<'a> = dyn Fn(&str, Option<Ipv4Addr>) -> bool + Sync + 'a;

/// Takes away all default routes but those that are kept.
pub(super) fn drop_default_routes(process: u32, kept: &Kept) -> Result<()> {
    let done = inside(Some(process), async |handle| {
        let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let routes: Vec<RouteMessage> = handle.route().get(all).execute().try_collect().await?;
        for route in routes.into_iter().filter(|route| route.header.destination_prefix_length == 0) {
            let out = out_of(&route).and_then(|index| links.iter().find(|link| link.header.index == index));
            if !out.and_then(name_of).is_some_and(|name| kept(name, gateway_of(&route))) {
                match handle.route().del(route).execute().await {
                    // The device takes routes away, too, while it boots.
                    Err(error) if says(&error, Errno::SRCH) => {}
                    done => done?,
                }
            }
        }
        Ok(())
    });
    done.context("cannot take the default route away")
}

/// Removes those veth interfaces of this machine that bear one of the names: what is left of a cable that was not
/// brought to its devices.
pub(super) fn remove_left_over(names: &[String]) -> Result<()> {
    inside(None, async |handle| {
        let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
        for link in links.iter().filter(|link| is_veth(link)) {
            if name_of(link).is_some_and(|name| names.iter().any(|known| known == name)) {
                // Its peer may have had a name of the list, too, and is gone with it.
                let _ = handle.link().del(link.header.index).execute().await;
            }
        }
        Ok(())
    })
}

/// The interfaces of a process' network namespace, but for the loopback.
pub(super) fn interfaces(process: u32) -> Result<Vec<String>> {
    inside(Some(process), async |handle| {
        let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
        Ok(links.iter().filter_map(name_of).filter(|name| *name != "lo").map(str::to_owned).collect())
    })
}

/// An address that no maker's is. EOS' MLAG does not bear the bit that marks an address as given by hand, so, as in
/// docker-topo, the first octet's second digit is 0.
fn address() -> Vec<u8> {
    let mut octets = [0; 6];
    octets.fill_with(|| fastrand::u8(..));
    octets[0] &= 0xf0;
    octets.to_vec()
}

/// Works on a connection to rtnetlink in a process' network namespace, or this machine's own, on a thread of its own.
fn inside<T: Send>(process: Option<u32>, work: impl AsyncFnOnce(Handle) -> Result<T> + Send) -> Result<T> {
    network::inside(process, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection().context("cannot open rtnetlink")?;
            let connection = tokio::spawn(connection);
            let done = work(handle).await;
            connection.abort();
            done
        })
    })
}

fn name_of(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

fn has_address(link: &LinkMessage, mac: &[u8]) -> bool {
    link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::Address(address) if address == mac))
}

/// The number of a veth's other end, in the namespace that that is in.
fn other_index(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) => Some(*index),
        _ => None,
    })
}

fn is_veth(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| {
        matches!(attribute, LinkAttribute::LinkInfo(infos) if infos.contains(&LinkInfo::Kind(InfoKind::Veth)))
    })
}

fn gateway_of(route: &RouteMessage) -> Option<Ipv4Addr> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(*address),
        _ => None,
    })
}

fn out_of(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
        thread,
    };

    use super::*;

    const DEVICE: &str =
        "ip link add one type veth peer name other && ip link set one up && ip link set other up || exit 1
        for metric in $(seq 200); do ip route add default dev one metric $metric || exit 1; done
        echo ready; exec sleep 60";

    #[test]
    #[ignore = "needs root, for a network namespace"]
    fn a_default_route_that_the_device_itself_takes_away_meanwhile_is_away() {
        let mut device =
            Command::new("unshare").args(["-n", "sh", "-c", DEVICE]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(device.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n");
        let process = device.id();
        let both = thread::scope(|scope| {
            let some = [(); 2].map(|()| scope.spawn(|| drop_default_routes(process, &|_, _| false)));
            some.map(|one| one.join().unwrap())
        });
        device.kill().unwrap();
        device.wait().unwrap();
        for one in both {
            one.unwrap();
        }
    }
}
