//! Traffic between end hosts that only passes through switches: TCP and UDP, counted at both ends, packet by packet.
//!
//! Both ends are sockets of ours in the hosts' networks. One numbered record is on its way at a time, there and back, so
//! that one that does not arrive is known at once, and nothing but a loss makes the two ends' counts differ.

mod connection;
mod datagrams;

use std::{
    iter::Sum,
    net::Ipv4Addr,
    ops::Add,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use devices::Device;

use self::{connection::Connection, datagrams::Datagrams};
use crate::{Scene, neighbours::EndHost};

/// So many records go there and back first without a pause: more than a window full of them.
const BURST: u32 = 300;

/// Between two records after that.
const SPACING: Duration = Duration::from_millis(50);

/// How many packets were carried, there and back, all of which arrived: TCP's acknowledgements are among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub tcp: u64,
    pub udp: u64,
    pub pings: usize,
}

impl Add for Carried {
    type Output = Carried;

    fn add(self, other: Carried) -> Carried {
        Carried { tcp: self.tcp + other.tcp, udp: self.udp + other.udp, pings: self.pings + other.pings }
    }
}

impl Sum for Carried {
    fn sum<I: Iterator<Item = Carried>>(all: I) -> Carried {
        all.fold(Carried::default(), Add::add)
    }
}

/// A connection and datagrams between two hosts that go on until they are ended, whoever does what meanwhile.
#[derive(Debug)]
pub struct Passing {
    ends: String,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Carried>>>,
}

impl Passing {
    /// Connects, and carries records from then on.
    pub(crate) fn begin(scene: &Scene<'_>, [one, other]: &[EndHost; 2]) -> Result<Passing> {
        let ends = format!("{} to {}", one.name, other.name);
        let (near, far) = (end(scene, one)?, end(scene, other)?);
        let connection = Connection::open(&near, &far).with_context(|| format!("TCP from {ends}"))?;
        let datagrams = Datagrams::open(&near, &far).with_context(|| format!("UDP from {ends}"))?;
        let done = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&done);
        let thread = thread::spawn(move || carry(connection, datagrams, &until));
        Ok(Passing { ends, done, thread: Some(thread) })
    }

    /// Ends it, and fails where one packet did not arrive.
    pub(crate) fn end(mut self) -> Result<Carried> {
        self.done.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it has ended before")?;
        let carried = thread.join().map_err(|_| anyhow!("the thread that carried it panicked"))?;
        carried.with_context(|| self.ends.clone())
    }
}

impl Drop for Passing {
    /// The thread ends by itself, after the record that is on its way.
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

/// A burst there and back, and no more.
pub(crate) fn burst(scene: &Scene<'_>, hosts: &[EndHost; 2]) -> Result<Carried> {
    Passing::begin(scene, hosts)?.end()
}

/// One end's device, and its address.
struct End<'a> {
    device: Device<'a>,
    address: Ipv4Addr,
}

fn end<'a>(scene: &Scene<'a>, host: &EndHost) -> Result<End<'a>> {
    Ok(End { device: scene.lab.device(&host.name)?, address: host.address })
}

fn carry(mut connection: Connection, mut datagrams: Datagrams, done: &AtomicBool) -> Result<Carried> {
    let mut records = 0;
    while records < BURST || !done.load(Ordering::Relaxed) {
        connection.there_and_back().context("TCP")?;
        datagrams.there_and_back().context("UDP")?;
        records += 1;
        if records >= BURST {
            thread::sleep(SPACING);
        }
    }
    let tcp = connection.close().context("TCP")?;
    let udp = datagrams.close().context("UDP")?;
    Ok(Carried { tcp, udp, pings: 0 })
}
