//! What is behind the endpoints: servers that answer with their own address and the one they saw.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};
use rustix::{
    event::{PollFd, PollFlags, poll},
    pipe::PipeFlags,
};

use crate::netns::Netns;

/// The ports that every pod and node answers on.
pub const TCP_PORTS: [u16; 3] = [8080, 8081, 9090];
pub const UDP_PORTS: [u16; 4] = [5353, 8080, 8081, 9090];

/// The servers of one namespace, which end when this is dropped.
pub struct Servers {
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

enum Server {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Servers {
    pub fn start(netns: &Netns, addresses: &[Ipv4Addr]) -> Result<Servers> {
        let bound: io::Result<Vec<Server>> = netns.enter(|| {
            let mut servers = vec![];
            for address in addresses {
                for port in TCP_PORTS {
                    servers.push(Server::Tcp(TcpListener::bind((*address, port))?));
                }
                for port in UDP_PORTS {
                    servers.push(Server::Udp(UdpSocket::bind((*address, port))?));
                }
            }
            servers.iter().try_for_each(Server::set_nonblocking)?;
            Ok(servers)
        })?;
        let servers = bound.with_context(|| format!("cannot serve in {}", netns.name()))?;
        let (stopped, stop) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
        let thread =
            thread::Builder::new().name("servers".to_owned()).spawn(move || serve(&servers, stopped.as_fd()))?;
        Ok(Servers { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic; and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

impl Server {
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Server::Tcp(listener) => listener.set_nonblocking(true),
            Server::Udp(socket) => socket.set_nonblocking(true),
        }
    }

    /// Answers everybody who waits; who went away in the meantime is not missed.
    fn answer(&self) {
        match self {
            Server::Tcp(listener) => {
                while let Ok((mut stream, peer)) = listener.accept() {
                    if let Ok(own) = stream.local_addr() {
                        let _ = stream.write_all(answer(own, peer).as_bytes());
                    }
                }
            }
            Server::Udp(socket) => {
                let mut request = [0; 64];
                while let Ok((_, peer)) = socket.recv_from(&mut request) {
                    if let Ok(own) = socket.local_addr() {
                        let _ = socket.send_to(answer(own, peer).as_bytes(), peer);
                    }
                }
            }
        }
    }
}

impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Server::Tcp(listener) => listener.as_fd(),
            Server::Udp(socket) => socket.as_fd(),
        }
    }
}

fn serve(servers: &[Server], stopped: BorrowedFd<'_>) {
    loop {
        let mut waiting: Vec<PollFd<'_>> = servers.iter().map(|server| PollFd::new(server, PollFlags::IN)).collect();
        waiting.push(PollFd::from_borrowed_fd(stopped, PollFlags::IN));
        match poll(&mut waiting, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if waiting.last().is_some_and(|pipe| !pipe.revents().is_empty()) {
            return;
        }
        for (server, polled) in servers.iter().zip(&waiting) {
            if !polled.revents().is_empty() {
                server.answer();
            }
        }
    }
}

fn answer(own: SocketAddr, peer: SocketAddr) -> String {
    format!("{own} {}", peer.ip())
}

/// Reads an answer: the endpoint, and the source address that it saw.
pub fn parse_answer(text: &str) -> Option<(SocketAddrV4, Ipv4Addr)> {
    let (endpoint, source) = text.split_once(' ')?;
    Some((endpoint.parse().ok()?, source.parse().ok()?))
}

/// Reads what a server says, to its end.
pub fn read_answer(mut stream: impl Read) -> io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
