//! The cluster's DNS address on this switch: on the loopback interface, with rules ahead of any kube-proxy's, so that what asks there
//! is answered here. Looked at again and again, as EOS makes its own network anew.

mod rules;

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::command::Program;
use common::xtables::Chain;
use ipnet::Ipv4Net;
use nix::ifaddrs::getifaddrs;

const INTERFACE: &str = "lo";

/// Each of the programs that are run for it.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct Presence {
    address: Ipv4Addr,
    /// The chains where packets can be left untracked, and where they cannot.
    untracked: Vec<Chain>,
    tracked: Vec<Chain>,
    /// Which of them it is, once it was tried out.
    notrack: Arc<OnceLock<bool>>,
}

impl Presence {
    /// `bridge` is what this switch's pods are on; `others` may ask, too. None of them is let in where `lets_in` leaves that to others.
    pub fn new(address: Ipv4Addr, bridge: &str, others: &[Ipv4Net], lets_in: bool) -> Self {
        let chains = |notrack| rules::desired(address, bridge, others, lets_in, notrack);
        Self { address, untracked: chains(true), tracked: chains(false), notrack: Arc::default() }
    }

    /// Whether what is asked is tracked, as this machine cannot leave it untracked.
    pub fn is_tracked(&self) -> bool {
        self.notrack.get() == Some(&false)
    }

    /// Takes the address, or finds it taken. Says whether anything was to be done.
    pub fn ensure(&self) -> Result<bool> {
        let mut changed = false;
        // The rules first: nothing is to be tracked that comes as soon as the address is there.
        for chain in self.chains()? {
            changed |= chain.ensure()?;
        }
        if !self.is_here()? {
            let address = format!("{}/32", self.address);
            let args = ["-4", "address", "replace", &address, "dev", INTERFACE, "scope", "host"];
            program("ip", "take the cluster's DNS address")?.args(args).read()?;
            changed = true;
        }
        Ok(changed)
    }

    /// Gives it back. The address first: who asks then is led to whoever has it.
    pub fn remove(&self) -> Result<()> {
        if self.is_here()? {
            let address = format!("{}/32", self.address);
            let args = ["-4", "address", "del", &address, "dev", INTERFACE];
            program("ip", "give the cluster's DNS address back")?.args(args).read()?;
        }
        // Those of an earlier run, too.
        let of_tracked =
            self.tracked.iter().filter(|chain| self.untracked.iter().all(|other| other.name != chain.name));
        self.untracked.iter().chain(of_tracked).try_for_each(Chain::remove)
    }

    fn chains(&self) -> Result<&[Chain]> {
        let notrack = match self.notrack.get() {
            Some(known) => *known,
            None => {
                let found = rules::can_notrack()?;
                *self.notrack.get_or_init(|| found)
            }
        };
        Ok(if notrack { &self.untracked } else { &self.tracked })
    }

    /// By what the interface has: where `net.ipv4.ip_nonlocal_bind` is set, any address can be bound to.
    fn is_here(&self) -> Result<bool> {
        let mut all = getifaddrs().context("cannot tell which addresses this switch has")?;
        Ok(all.any(|found| {
            let ip = found.address.as_ref().and_then(|address| address.as_sockaddr_in()).map(|address| address.ip());
            found.interface_name == INTERFACE && ip == Some(self.address)
        }))
    }
}

fn program(name: &str, purpose: &str) -> Result<Program> {
    let program = Program::new(name, purpose).with_context(|| format!("cannot run {name}"))?;
    Ok(program.limit(LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs root, for a network namespace, and iptables"]
    fn the_address_is_taken_also_where_any_address_can_be_bound_to() {
        let inside = || {
            let _namespace = common::netns::unshare().unwrap();
            std::fs::write("/proc/sys/net/ipv4/ip_nonlocal_bind", "1").unwrap();
            program("ip", "set the interface up").unwrap().args(["link", "set", INTERFACE, "up"]).read().unwrap();
            let presence = Presence::new([10, 10, 0, 10].into(), "kube0", &[], true);
            assert!(!presence.is_here().unwrap());
            assert!(presence.ensure().unwrap() && presence.is_here().unwrap());
            assert!(!presence.ensure().unwrap(), "nothing was to be done");
            presence.remove().unwrap();
            assert!(!presence.is_here().unwrap());
            presence.remove().unwrap();
        };
        std::thread::spawn(inside).join().unwrap();
    }
}
