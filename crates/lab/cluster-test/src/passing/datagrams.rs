//! Numbered datagrams between two hosts, both of whose ends are held here.

use std::{
    io::ErrorKind,
    net::UdpSocket,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::End;

/// For a datagram to arrive.
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Datagrams {
    near: UdpSocket,
    far: UdpSocket,
    there: Counted,
    back: Counted,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    sent: u32,
    arrived: u32,
}

impl Datagrams {
    pub(super) fn open(near: &End<'_>, far: &End<'_>) -> Result<Datagrams> {
        let bind = |end: &End<'_>| {
            let address = end.address;
            let bind = || UdpSocket::bind((address, 0)).with_context(|| format!("cannot bind to {address}"));
            end.device.in_network(bind)
        };
        Datagrams::between(bind(near)?, bind(far)?)
    }

    fn between(near: UdpSocket, far: UdpSocket) -> Result<Datagrams> {
        near.connect(far.local_addr()?)?;
        far.connect(near.local_addr()?)?;
        Ok(Datagrams { near, far, there: Counted::default(), back: Counted::default() })
    }

    /// Sends the next datagram to the far end, and one back, whether it arrived or not.
    pub(super) fn there_and_back(&mut self) -> Result<()> {
        self.there.pass(&self.near, &self.far)?;
        self.back.pass(&self.far, &self.near)
    }

    /// Returns how many went there and back; fails where fewer arrived than were sent.
    pub(super) fn close(self) -> Result<u64> {
        let Datagrams { there, back, .. } = self;
        ensure!(
            there.arrived == there.sent && back.arrived == back.sent,
            "{} datagrams were sent there and {} arrived; {} back, and {} arrived",
            there.sent,
            there.arrived,
            back.sent,
            back.arrived
        );
        Ok(u64::from(there.sent) + u64::from(back.sent))
    }
}

impl Counted {
    fn pass(&mut self, from: &UdpSocket, to: &UdpSocket) -> Result<()> {
        let number = self.sent.to_be_bytes();
        from.send(&number)?;
        self.sent += 1;
        let began = Instant::now();
        while let Some(left) = TIMEOUT.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            to.set_read_timeout(Some(left))?;
            let mut got = [0; 4];
            match to.recv(&mut got) {
                // An earlier one comes too late.
                Ok(_) if got != number => {}
                Ok(_) => {
                    self.arrived += 1;
                    break;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagrams() -> Datagrams {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        Datagrams::between(bind(), bind()).unwrap()
    }

    #[test]
    fn every_datagram_is_counted_at_both_ends() {
        let mut datagrams = datagrams();
        for _ in 0..50 {
            datagrams.there_and_back().unwrap();
        }
        assert_eq!(datagrams.close().unwrap(), 100);
    }

    #[test]
    fn one_that_does_not_arrive_in_time_is_counted_and_is_not_taken_for_the_next() {
        let mut datagrams = datagrams();
        let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
        datagrams.there.pass(&datagrams.near, &elsewhere).unwrap();
        datagrams.there_and_back().unwrap();
        let error = datagrams.close().unwrap_err().to_string();
        assert_eq!(error, "2 datagrams were sent there and 1 arrived; 1 back, and 1 arrived");
    }
}
