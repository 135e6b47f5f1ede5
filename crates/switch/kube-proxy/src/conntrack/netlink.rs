//! The conversation with the kernel about its table of connections.

use std::{os::fd::OwnedFd, time::Duration};

use rustix::{
    io::{Errno, Result, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use super::{
    Flow,
    message::{self, NetlinkAnswer, answers},
};

/// The kernel answers at once; this is for one that never does.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The kernel packs so much of a dump into one datagram, at most.
const DATAGRAM: usize = 32 * 1024;

pub fn open() -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::NETFILTER))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(TIMEOUT))?;
    Ok(socket)
}

/// Hands over every IPv4 entry that has ports.
pub fn dump(socket: &OwnedFd, each: &mut dyn FnMut(&Flow)) -> Result<()> {
    converse(socket, &message::dump(), each)
}

/// Sends a request and waits until it was carried out.
pub fn ask(socket: &OwnedFd, request: &[u8]) -> Result<()> {
    converse(socket, request, &mut |_| {})
}

fn converse(socket: &OwnedFd, request: &[u8], each: &mut dyn FnMut(&Flow)) -> Result<()> {
    send(socket, request, SendFlags::empty())?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let (received, _) = retry_on_intr(|| recv(socket, buffer.as_mut_slice(), RecvFlags::empty()))?;
        if received == 0 {
            return Err(Errno::CONNRESET);
        }
        for answer in answers(buffer.get(..received).unwrap_or_default()) {
            match answer {
                NetlinkAnswer::Entry(attributes) => {
                    if let Some(flow) = Flow::parse(attributes) {
                        each(&flow);
                    }
                }
                NetlinkAnswer::Done(0) => return Ok(()),
                NetlinkAnswer::Done(error) => return Err(Errno::from_raw_os_error(error.saturating_neg())),
            }
        }
    }
}
