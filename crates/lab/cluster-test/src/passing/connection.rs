//! A TCP connection between two hosts, both of whose ends are held here.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use common::retry::{self, Failed};

use super::End;

/// For connecting, and for a record to arrive: TCP has tried again several times by then.
const TIMEOUT: Duration = Duration::from_secs(10);

/// For the last acknowledgements to arrive.
const ACKNOWLEDGED: Duration = Duration::from_secs(2);

const INTERVAL: Duration = Duration::from_millis(10);

/// Of a record: in one packet of any network.
const LENGTH: usize = 1024;

#[derive(Debug)]
pub struct Connection {
    near: TcpStream,
    far: TcpStream,
    /// What each had sent and received when it was open.
    opened: [Segments; 2],
    records: u32,
}

/// What the kernel has counted of one end of a connection: packets, those with nothing but an acknowledgement too.
#[derive(Debug, Clone, Copy)]
struct Segments {
    sent: u32,
    received: u32,
    sent_again: u32,
}

impl Connection {
    pub(super) fn open(near: &End<'_>, far: &End<'_>) -> Result<Connection> {
        let bind = || TcpListener::bind((far.address, 0)).with_context(|| format!("cannot listen at {}", far.address));
        let listener = far.device.in_network(bind)?;
        let to = listener.local_addr()?;
        let near = near.device.in_network(|| {
            TcpStream::connect_timeout(&to, TIMEOUT).with_context(|| format!("cannot connect to {to}"))
        })?;
        let far = accept(&listener).with_context(|| format!("{to} does not see that it is connected"))?;
        for end in [&near, &far] {
            end.set_nodelay(true)?;
            end.set_read_timeout(Some(TIMEOUT))?;
            end.set_write_timeout(Some(TIMEOUT))?;
        }
        let opened = [Segments::of(&near)?, Segments::of(&far)?];
        let again = opened[0].sent_again + opened[1].sent_again;
        ensure!(again == 0, "to connect to {to}, {again} packets had to be sent again");
        Ok(Connection { near, far, opened, records: 0 })
    }

    /// Carries the next record to the far end, and back.
    pub(super) fn there_and_back(&mut self) -> Result<()> {
        let mut record = [0; LENGTH];
        record[..4].copy_from_slice(&self.records.to_be_bytes());
        let what = |way: &str| format!("record {} was not carried {way} within {} s", self.records, TIMEOUT.as_secs());
        pass(&self.near, &self.far, &record).with_context(|| what("there"))?;
        pass(&self.far, &self.near, &record).with_context(|| what("back"))?;
        self.records += 1;
        Ok(())
    }

    /// Closes it, and returns how many packets it took, there and back; fails where fewer arrived than were sent.
    pub(super) fn close(self) -> Result<u64> {
        let began = Instant::now();
        loop {
            let [near, far] = [Segments::of(&self.near)?, Segments::of(&self.far)?];
            let near = near.since(self.opened[0]);
            let far = far.since(self.opened[1]);
            if near.sent == far.received && far.sent == near.received {
                return Ok(u64::from(near.sent) + u64::from(far.sent));
            }
            if began.elapsed() > ACKNOWLEDGED {
                bail!(
                    "of {} records, {} packets were sent there and {} arrived; {} back, and {} arrived",
                    self.records,
                    near.sent,
                    far.received,
                    far.sent,
                    near.received
                );
            }
            thread::sleep(INTERVAL);
        }
    }
}

/// The connection is there already, or its last packet is on the way.
fn accept(listener: &TcpListener) -> Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let (connection, _) = retry::until("the connection comes", TIMEOUT, INTERVAL, || {
        listener.accept().map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => Failed::NotYet(error.into()),
            _ => Failed::Stop(error.into()),
        })
    })?;
    connection.set_nonblocking(false)?;
    Ok(connection)
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, record: &[u8; LENGTH]) -> Result<()> {
    from.write_all(record)?;
    let mut got = [0; LENGTH];
    to.read_exact(&mut got)?;
    ensure!(got == *record, "another one arrived in its place");
    Ok(())
}

/// The kernel's `struct tcp_info` as far as it is read here.
#[repr(C)]
#[derive(Default)]
struct TcpInfo {
    states: [u8; 8],
    numbers: [u32; 23],
    total_retrans: u32,
    rates: [u64; 4],
    segs_out: u32,
    segs_in: u32,
}

impl Segments {
    fn of(end: &TcpStream) -> io::Result<Segments> {
        let mut info = TcpInfo::default();
        let mut length = size_of::<TcpInfo>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, all of `info`, which is plain integers.
        let answer = unsafe {
            libc::getsockopt(
                end.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &raw mut length,
            )
        };
        match answer {
            0 if length as usize == size_of::<TcpInfo>() => {
                Ok(Segments { sent: info.segs_out, received: info.segs_in, sent_again: info.total_retrans })
            }
            0 => Err(io::Error::other("this kernel does not count the packets of a connection: Linux 4.2 does")),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn since(self, before: Segments) -> Segments {
        Segments {
            sent: self.sent.wrapping_sub(before.sent),
            received: self.received.wrapping_sub(before.received),
            sent_again: self.sent_again.wrapping_sub(before.sent_again),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = accept(&listener).unwrap();
        let opened = [Segments::of(&near).unwrap(), Segments::of(&far).unwrap()];
        Connection { near, far, opened, records: 0 }
    }

    #[test]
    fn every_packet_of_a_connection_is_counted_at_both_ends() {
        let mut connection = connection();
        for _ in 0..50 {
            connection.there_and_back().unwrap();
        }
        let packets = connection.close().unwrap();
        assert!((100..=200).contains(&packets), "{packets} packets for 50 records there and back");
    }

    #[test]
    fn a_packet_that_only_one_end_has_counted_is_lost() {
        let mut connection = connection();
        connection.there_and_back().unwrap();
        connection.opened[1].received += 1;
        let error = connection.close().unwrap_err().to_string();
        assert!(error.starts_with("of 1 records, "), "{error}");
    }
}
