//! Traffic through a Service: as many bytes as will go, and as many new connections.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use crate::{netns::Netns, threads::side_by_side, world::read_answer};

/// The port on which a source pours out bytes.
pub const SOURCE_PORT: u16 = 7070;

const PIECE: usize = 256 * 1024;
/// A connection that takes longer counts as failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that are asked for at the same time, and streams side by side.
const CLIENTS: usize = 4;

/// Starts a source in a namespace. Its threads end with their clients, and with the process.
pub fn start_source(netns: &Netns, address: Ipv4Addr) -> Result<()> {
    netns.serve("source", SocketAddrV4::new(address, SOURCE_PORT), pour)
}

fn pour(mut stream: TcpStream) -> io::Result<()> {
    let piece = vec![0; PIECE];
    loop {
        stream.write_all(&piece)?;
    }
}

/// Starts what every proxy comes down to, and nothing else: for each connection to `address`, one to the source, and a thread that
/// splices from this to that.
pub fn start_splicer(netns: &Netns, address: SocketAddrV4, source: SocketAddrV4) -> Result<()> {
    netns.serve("splicer", address, move |client| pass(&client, source))
}

fn pass(client: &TcpStream, source: SocketAddrV4) -> io::Result<()> {
    let from = TcpStream::connect(source)?;
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setpipe_size(&write, PIECE)?;
    loop {
        let mut held = splice(&from, None, &write, None, PIECE, SpliceFlags::MOVE)?;
        if held == 0 {
            return Ok(());
        }
        while held > 0 {
            held -= splice(&read, None, client, None, held, SpliceFlags::MOVE)?;
        }
    }
}

/// Bytes in a second that a client in a namespace gets from a source, over several connections.
pub fn bytes_per_second(netns: &Netns, source: SocketAddrV4, lasting: Duration) -> Result<f64> {
    let drink = || -> Result<f64> {
        let mut stream = TcpStream::connect_timeout(&source.into(), TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut piece = vec![0; PIECE];
        let (began, mut bytes) = (Instant::now(), 0);
        while began.elapsed() < lasting {
            match stream.read(&mut piece)? {
                0 => bail!("{source} ended a connection"),
                length => bytes += length,
            }
        }
        Ok(bytes as f64 / began.elapsed().as_secs_f64())
    };
    Ok(netns.enter(|| side_by_side(CLIENTS, drink))??.iter().sum())
}

/// New connections, one after the other by each of several clients.
pub struct ConnectionRates {
    pub per_second: f64,
    /// Of a hundred, one took longer from its first packet to the end of the answer.
    pub p99: Duration,
}

/// Opens connections to servers that say something and hang up.
pub fn connections(netns: &Netns, to: SocketAddrV4, lasting: Duration) -> Result<ConnectionRates> {
    let open = || -> Result<Vec<Duration>> {
        let began = Instant::now();
        let mut times = vec![];
        while began.elapsed() < lasting {
            let opened = Instant::now();
            let stream = TcpStream::connect_timeout(&to.into(), TIMEOUT)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            if read_answer(stream)?.is_empty() {
                bail!("{to} hung up without an answer");
            }
            times.push(opened.elapsed());
        }
        Ok(times)
    };
    let mut times: Vec<Duration> = netns.enter(|| side_by_side(CLIENTS, open))??.into_iter().flatten().collect();
    times.sort();
    let p99 = *times.get(times.len() * 99 / 100).with_context(|| format!("no connection to {to} came about"))?;
    Ok(ConnectionRates { per_second: times.len() as f64 / lasting.as_secs_f64(), p99 })
}
