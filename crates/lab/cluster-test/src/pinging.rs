//! A device pings an address every 10 ms while something happens, and it is known which were not answered.
//!
//! Not by the program `ping`: it sends more slowly as soon as answers stay away.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read},
    net::{Ipv4Addr, SocketAddrV4},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use devices::Device;
use socket2::{Domain, Protocol, Socket, Type};

use crate::limited::then_set;

/// Between two packets.
pub const SPACING: Duration = Duration::from_millis(10);

/// How long the last answers may take.
const TIMEOUT: Duration = Duration::from_secs(1);

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// When each packet was sent, and whether it was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pings(pub Vec<(Instant, bool)>);

impl Pings {
    /// When those were sent that were not answered.
    pub fn lost(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().filter(|(_, answered)| !answered).map(|(sent, _)| *sent)
    }
}

/// Does the work while pings go out, and returns what it returned and what came of the pings.
pub fn while_pinging<T>(from: &Device, to: Ipv4Addr, work: impl FnOnce() -> Result<T>) -> Result<(T, Pings)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let pings = scope.spawn(|| from.in_network(|| ping_until(to, &done)));
        let worked = then_set(&done, work);
        let pings = pings.join().map_err(|_| anyhow!("the thread that pinged panicked"))?;
        Ok((worked?, pings?))
    })
}

fn ping_until(to: Ipv4Addr, done: &AtomicBool) -> Result<Pings> {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).context("cannot ping: needs root")?;
    socket.set_nonblocking(true)?;
    let identifier = fastrand::u16(..);
    let (began, mut sent, mut answered) = (Instant::now(), Vec::new(), BTreeSet::new());
    while !done.load(Ordering::Relaxed) {
        // What cannot be sent is lost, too. A whole round of the 16 bits takes ten minutes.
        let number = sent.len() as u16;
        sent.push(Instant::now());
        let _ = socket.send_to(&echo_request(identifier, number), &SocketAddrV4::new(to, 0).into());
        thread::sleep((SPACING * sent.len() as u32).saturating_sub(began.elapsed()));
        take_answers(&mut socket, identifier, &mut answered)?;
    }
    let stopped = Instant::now();
    while answered.len() < sent.len() && stopped.elapsed() < TIMEOUT {
        thread::sleep(SPACING);
        take_answers(&mut socket, identifier, &mut answered)?;
    }
    let pings = sent.into_iter().enumerate();
    Ok(Pings(pings.map(|(number, sent)| (sent, answered.contains(&(number as u16)))).collect()))
}

/// Takes the numbers of those that have come.
fn take_answers(socket: &mut Socket, identifier: u16, answered: &mut BTreeSet<u16>) -> Result<()> {
    let mut packet = [0; 1500];
    loop {
        match socket.read(&mut packet) {
            Ok(length) => answered.extend(number_of_reply(&packet[..length], identifier)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("cannot receive the answers to pings"),
        }
    }
}

fn echo_request(identifier: u16, number: u16) -> [u8; 8] {
    let mut packet = [0; 8];
    packet[0] = ECHO_REQUEST;
    packet[4..6].copy_from_slice(&identifier.to_be_bytes());
    packet[6..8].copy_from_slice(&number.to_be_bytes());
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(((folded & 0xffff) + (folded >> 16)) as u16);
    packet[2..4].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// Of an IPv4 packet, where it is the answer to a request of ours.
fn number_of_reply(packet: &[u8], identifier: u16) -> Option<u16> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let message: &[u8; 8] = packet.get(header..)?.first_chunk()?;
    let ours = message[0] == ECHO_REPLY && message[4..6] == identifier.to_be_bytes();
    ours.then(|| u16::from_be_bytes([message[6], message[7]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_known_by_its_identifier_behind_the_header_of_ip() {
        let mut reply = echo_request(0xfffe, 0x0102);
        let words: u32 = reply.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        assert_eq!((words & 0xffff) + (words >> 16), 0xffff, "the checksum is wrong");
        reply[0] = ECHO_REPLY;
        let packet = [&[0x46; 24][..], &reply].concat();
        assert_eq!(number_of_reply(&packet, 0xfffe), Some(0x0102));
        assert_eq!(number_of_reply(&packet, 1), None);
        assert_eq!(number_of_reply(&packet[..25], 0xfffe), None);
    }

    #[test]
    #[ignore = "needs root"]
    fn this_machine_answers_itself() {
        let done = AtomicBool::new(false);
        let pings = thread::scope(|scope| {
            let pings = scope.spawn(|| ping_until(Ipv4Addr::LOCALHOST, &done));
            thread::sleep(Duration::from_millis(300));
            done.store(true, Ordering::Relaxed);
            pings.join().unwrap()
        });
        let pings = pings.unwrap();
        assert!(!pings.0.is_empty() && pings.lost().count() == 0, "{pings:?}");
    }
}
