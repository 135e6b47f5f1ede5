//! The pods' bridge with the first address of the node's range, and the pods that are on it. CNI's plugin makes it where it is missing,
//! but refuses every pod where it has another address, and knows nothing of the pods that a lost bridge had.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use cluster::{BRIDGE, Node};
use common::files;
use contract::places;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{desired::Desired, program};

/// kube0, up, with one address and its pods.
pub struct Bridge {
    address: Ipv4Net,
    /// What it was like when it was right.
    record: PathBuf,
}

/// What pods rely on: they keep the gateway's MAC address for a while, and are connected by their ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    mac: String,
    ports: BTreeSet<String>,
}

/// As the kernel has it now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    bridge: Option<Interface>,
    ports: BTreeSet<String>,
    /// Interfaces that could be ports and are nobody's.
    free: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Interface {
    up: bool,
    mac: String,
}

impl Bridge {
    pub fn new(node: &Node) -> Self {
        Bridge::recorded_in(node.pod_cidr, places::BRIDGE.into())
    }

    fn recorded_in(range: Ipv4Net, record: PathBuf) -> Self {
        Bridge { address: gateway(range), record }
    }

    fn known(&self) -> Known {
        fs::read(&self.record).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

/// The first address, as the plugin bridge takes it.
fn gateway(range: Ipv4Net) -> Ipv4Net {
    let first = range.hosts().next().unwrap_or(range.addr());
    Ipv4Net::new_assert(first, range.prefix_len())
}

impl Desired for Bridge {
    fn wrong(&mut self) -> Result<Vec<String>> {
        let found = Found::now()?;
        let right = match &found.bridge {
            None => false,
            Some(bridge) => bridge.up && addresses()? == [self.address.to_string()],
        };
        let known = self.known();
        let lost = known.ports.intersection(&found.free).next().is_some();
        if let (true, false, Some(Interface { mac, .. })) = (right, lost, &found.bridge) {
            let now = Known { mac: mac.clone(), ports: found.ports };
            if now != known {
                files::write_atomically(&self.record, serde_json::to_vec(&now)?)?;
            }
            return Ok(Vec::new());
        }
        Ok(vec![BRIDGE.to_owned()])
    }

    fn repair(&mut self, _: &[String]) -> Result<()> {
        let known = self.known();
        let found = Found::now()?;
        if found.bridge.is_none() {
            let address = ["address", known.mac.as_str()];
            let mac = if known.mac.is_empty() { &[][..] } else { &address[..] };
            ip(
                "make the pods' bridge",
                &[&["link", "add", "name", BRIDGE][..], mac, &["type", "bridge"][..]].concat(),
            )?;
        }
        let address = self.address.to_string();
        let there = addresses()?;
        if !there.contains(&address) {
            ip("give the pods' bridge its address", &["address", "add", &address, "dev", BRIDGE])?;
        }
        for other in there.iter().filter(|other| **other != address) {
            ip("take an address from the pods' bridge", &["address", "del", other, "dev", BRIDGE])?;
        }
        ip("set the pods' bridge up", &["link", "set", BRIDGE, "up"])?;
        for port in known.ports.intersection(&found.free) {
            ip("connect a pod to the bridge", &["link", "set", port, "master", BRIDGE])?;
            hairpin(port)?;
        }
        Ok(())
    }
}

/// A pod reaches itself by its Service's address, as the plugin sees to.
fn hairpin(port: &str) -> Result<()> {
    let file = Path::new("/sys/class/net").join(port).join("brport/hairpin_mode");
    match fs::write(&file, "1") {
        // It has ended meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written.with_context(|| format!("cannot write {}", file.display())),
    }
}

/// The IPv4 addresses of the bridge, which is there.
fn addresses() -> Result<Vec<String>> {
    let shown = ip("look at the pods' bridge", &["-4", "-o", "address", "show", "dev", BRIDGE])?;
    let address = |line: &str| line.split_whitespace().skip_while(|word| *word != "inet").nth(1).map(str::to_owned);
    Ok(shown.lines().filter_map(address).collect())
}

impl Found {
    fn now() -> Result<Found> {
        Ok(Found::parse(&ip("look at the interfaces", &["-o", "link", "show"])?))
    }

    /// `7: veth1@if2: <BROADCAST,UP> mtu 1500 … master kube0 … link/ether 0a:… brd …`
    fn parse(shown: &str) -> Found {
        let mut found = Found::default();
        for words in shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()) {
            let [_, name, flags, rest @ ..] = words.as_slice() else { continue };
            let name = name.trim_end_matches(':').split('@').next().unwrap_or_default();
            let behind = |what: &str| rest.iter().skip_while(|word| **word != what).nth(1);
            if name == BRIDGE {
                let up = flags.trim_matches(['<', '>']).split(',').any(|flag| flag == "UP");
                let mac = behind("link/ether").map_or("", |mac| mac).to_owned();
                found.bridge = Some(Interface { up, mac });
            } else if behind("master") == Some(&BRIDGE) {
                found.ports.insert(name.to_owned());
            } else if behind("master").is_none() {
                found.free.insert(name.to_owned());
            }
        }
        found
    }
}

fn ip(purpose: &str, words: &[&str]) -> Result<String> {
    program::new("ip", purpose)?.args(words).read()
}

#[cfg(test)]
mod tests;
