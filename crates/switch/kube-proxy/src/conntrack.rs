//! The kernel's connection tracking: entries of UDP and SCTP that are out of date, and its settings.

mod flow;
mod message;
mod netlink;
mod services;
pub mod settings;

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use nix::ifaddrs::getifaddrs;
use rustix::io::Errno;

pub use flow::Flow;
pub use services::{Answerer, Asked, ServedAddresses};

/// The table of connections could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConntrackError {
    #[error("the kernel does not give access to its connection tracking (nfnetlink, CAP_NET_ADMIN): {0}")]
    NoAccess(io::Error),
    #[error("cannot read the kernel's table of connections: {0}")]
    NotRead(io::Error),
    #[error("cannot delete an entry of the kernel's table of connections: {0}")]
    NotDeleted(io::Error),
}

/// Deletes each entry of UDP or SCTP whose client asked one of `desired`, but is answered by nobody who answers for it now: the kernel would go on
/// sending the client's packets there, for as long as they come. Returns how many there were.
///
/// Nothing is remembered from one call to the next, so that it also finds what happened while this program was not running.
pub fn delete_stale(desired: &ServedAddresses) -> Result<usize, ConntrackError> {
    if desired.is_empty() {
        return Ok(0);
    }
    let socket = netlink::open().map_err(|error| ConntrackError::NoAccess(error.into()))?;
    let node = addresses_of_this_node().map_err(|error| ConntrackError::NotRead(error.into()))?;
    let mut stale = Vec::new();
    netlink::dump(&socket, &mut |flow| {
        if desired.is_stale(flow, &node) {
            stale.push(message::delete(flow));
        }
    })
    .map_err(|error| match error {
        Errno::PERM | Errno::ACCESS => ConntrackError::NoAccess(error.into()),
        _ => ConntrackError::NotRead(error.into()),
    })?;
    for request in &stale {
        match netlink::ask(&socket, request) {
            // It ended by itself meanwhile.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(ConntrackError::NotDeleted(error.into())),
        }
    }
    Ok(stale.len())
}

/// On any interface: node ports answer at each.
fn addresses_of_this_node() -> nix::Result<BTreeSet<Ipv4Addr>> {
    Ok(getifaddrs()?.filter_map(|found| Some(found.address?.as_sockaddr_in()?.ip())).collect())
}
