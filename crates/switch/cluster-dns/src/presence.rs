//! The cluster's DNS address on this switch: on the loopback interface, with rules ahead of any kube-proxy's, so that what asks there
//! is answered here. Looked at again and again, as EOS makes its own network anew.

mod rules;

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::command::Program;
use common::xtables::Chain;
use ipnet::Ipv4Net;

const INTERFACE: &str = "lo";

/// Each of the programs that are run for it.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Presence {
    address: Ipv4Addr,
    chains: Vec<Chain>,
}

impl Presence {
    /// `bridge` is what this switch's pods are on; `others` may ask, too. None of them is let in where `lets_in` leaves that to others.
    pub fn new(address: Ipv4Addr, bridge: &str, others: &[Ipv4Net], lets_in: bool) -> Self {
        Self { address, chains: rules::desired(address, bridge, others, lets_in) }
    }

    /// Takes the address, or finds it taken. Says whether anything was to be done.
    pub fn ensure(&self) -> Result<bool> {
        let mut changed = false;
        // The rules first: nothing is to be tracked that comes as soon as the address is there.
        for chain in &self.chains {
            changed |= chain.ensure()?;
        }
        if !self.is_here() {
            let address = format!("{}/32", self.address);
            let args = ["-4", "address", "replace", &address, "dev", INTERFACE, "scope", "host"];
            program("ip", "take the cluster's DNS address")?.args(args).read()?;
            changed = true;
        }
        Ok(changed)
    }

    /// Gives it back. The address first: who asks then is led to whoever has it.
    pub fn remove(&self) -> Result<()> {
        if self.is_here() {
            let address = format!("{}/32", self.address);
            let args = ["-4", "address", "del", &address, "dev", INTERFACE];
            program("ip", "give the cluster's DNS address back")?.args(args).read()?;
        }
        self.chains.iter().try_for_each(Chain::remove)
    }

    /// Only an address that the kernel has can be bound to.
    fn is_here(&self) -> bool {
        UdpSocket::bind((self.address, 0)).is_ok()
    }
}

fn program(name: &str, purpose: &str) -> Result<Program> {
    let program = Program::new(name, purpose).with_context(|| format!("cannot run {name}"))?;
    Ok(program.limit(LIMIT))
}
