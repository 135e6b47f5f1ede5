//! Datagrams together with the local address that they came to, so that the answer leaves from there: connection tracking
//! knows it by no other.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use nix::{
    libc::{in_addr, in_pktinfo},
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt},
};

/// A socket on a port that the kernel chooses, which says where each datagram came to.
pub fn bind(address: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddrV4::new(address, 0))?;
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What is known about a datagram besides its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub length: usize,
    pub from: SocketAddrV4,
    pub to: Ipv4Addr,
}

/// Takes the next datagram of a socket that [`bind`] made.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], control: &mut [u8]) -> io::Result<Received> {
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
    let to = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(info.ipi_spec_dst),
        _ => None,
    });
    let (Some(from), Some(to)) = (message.address, to) else {
        return Err(io::Error::other("the kernel does not say whom a datagram is from, and to"));
    };
    let to = Ipv4Addr::from_bits(u32::from_be(to.s_addr));
    Ok(Received { length: message.bytes, from: SocketAddrV4::new(from.ip(), from.port()), to })
}

/// Room for the kernel's message about one datagram.
pub fn control() -> Vec<u8> {
    nix::cmsg_space!(in_pktinfo)
}

/// Sends from the local address `from`.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], from: Ipv4Addr, to: SocketAddrV4) -> io::Result<usize> {
    let nobody = in_addr { s_addr: 0 };
    let info =
        in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: in_addr { s_addr: from.to_bits().to_be() }, ipi_addr: nobody };
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    let to = SockaddrIn::from(to);
    Ok(sendmsg(socket.as_fd().as_raw_fd(), &[IoSlice::new(bytes)], &control, MsgFlags::empty(), Some(&to))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        let server = bind(Ipv4Addr::UNSPECIFIED).unwrap();
        let port = server.local_addr().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect((Ipv4Addr::new(127, 0, 0, 7), port)).unwrap();
        client.send(b"ask").unwrap();

        let mut buffer = [0; 16];
        let received = receive(server.as_fd(), &mut buffer, &mut control()).unwrap();
        assert_eq!((received.length, received.to), (3, Ipv4Addr::new(127, 0, 0, 7)));
        send(server.as_fd(), b"answer", received.to, received.from).unwrap();
        // A connected socket takes nothing from any other address.
        assert_eq!(client.recv(&mut buffer).unwrap(), 6);
    }
}
