//! Servers that say who they are and then return whatever comes, for as long as a client likes.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
};

use anyhow::Result;

use crate::netns::Netns;

/// The port that they answer on.
pub const PORT: u16 = 7;

/// How much is sent and returned at a time.
pub const LENGTH: usize = 8;

/// Starts one in a namespace. Its threads end with their clients, and with the process.
pub fn start(netns: &Netns, address: Ipv4Addr) -> Result<()> {
    netns.serve("echo", SocketAddrV4::new(address, PORT), move |stream| serve(stream, address))
}

fn serve(mut stream: TcpStream, address: Ipv4Addr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(&address.octets())?;
    let mut bytes = [0; LENGTH];
    loop {
        stream.read_exact(&mut bytes)?;
        stream.write_all(&bytes)?;
    }
}

/// Connects, and learns which server it is.
pub fn connect(to: SocketAddrV4) -> io::Result<(TcpStream, Ipv4Addr)> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let mut address = [0; 4];
    stream.read_exact(&mut address)?;
    Ok((stream, address.into()))
}
