//! What a device is like at the moment: its state in a word, its addresses, and what holds its memory.
//!
//! A device that is off or has no such program is no error here: the report says what could be seen.

use std::{collections::BTreeMap, thread};

use devices::{Device, Lab, Power};
use topology::format::DeviceKind;

use crate::{Switch, record::ProcessMemory};

/// Docker's own bridge, which leads nowhere else and is the same on every switch.
const DOCKER: &str = "docker0";

/// In whose presence a switch's memory is that of a node.
const KUBELET: &str = "kubelet";

/// `off`, `on`, or for a switch with our extension what its status says: `ready`, `starting`, `failed`, `stopped`.
pub fn state(device: &Device<'_>) -> String {
    if !matches!(device.power(), Ok(Power::On)) {
        return "off".to_owned();
    }
    let status = (device.kind() == DeviceKind::Switch).then(|| Switch::from(*device).status().ok()).flatten();
    status.map_or("on".to_owned(), |status| status.state.to_string())
}

/// `INTERFACE ADDRESS/LENGTH` of what leads to other devices, and of loopbacks, those first.
pub fn addresses(device: &Device<'_>) -> Vec<String> {
    said(device, &["ip", "-brief", "-4", "address"]).map_or(vec![], |said| brief_addresses(&said))
}

/// What each switch's processes hold, where it is a node: none of a switch without a kubelet.
pub fn memory_of_nodes(lab: &Lab) -> Vec<(String, Vec<ProcessMemory>)> {
    let switches: Vec<Device<'_>> = lab.devices().filter(|device| device.kind() == DeviceKind::Switch).collect();
    thread::scope(|scope| {
        let looks: Vec<_> =
            switches.iter().map(|switch| scope.spawn(|| (switch.name().to_owned(), memory(switch)))).collect();
        let seen = looks.into_iter().filter_map(|look| look.join().ok());
        seen.filter(|(_, memory)| memory.iter().any(|part| part.process == KUBELET)).collect()
    })
}

fn memory(device: &Device<'_>) -> Vec<ProcessMemory> {
    // The device's own shell says which processes there are.
    let script = "grep -hE '^(Name|VmRSS):' /proc/[0-9]*/status";
    said(device, &["sh", "-c", script]).map_or(vec![], |said| by_process(&said))
}

/// What a command printed, however it ended: a process may be gone before its file is read.
fn said(device: &Device<'_>, argv: &[&str]) -> Option<String> {
    let output = device.exec(argv).ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn brief_addresses(said: &str) -> Vec<String> {
    let mut all = Vec::new();
    for line in said.lines() {
        let mut words = line.split_whitespace();
        let (Some(interface), Some(_)) = (words.next(), words.next()) else { continue };
        let interface = interface.split('@').next().unwrap_or(interface);
        if interface == DOCKER {
            continue;
        }
        let addresses = words.filter(|word| word.contains('/') && !word.starts_with("127."));
        all.extend(addresses.map(|address| format!("{interface} {address}")));
    }
    // Loopbacks first, then by name.
    all.sort_by_key(|address| (!address.starts_with("lo"), address.clone()));
    all
}

/// Largest first. A kernel thread has no memory of its own, and no such line.
fn by_process(said: &str) -> Vec<ProcessMemory> {
    let mut kib: BTreeMap<&str, u64> = BTreeMap::new();
    let mut process = "";
    for line in said.lines() {
        if let Some(name) = line.strip_prefix("Name:") {
            process = name.trim();
        } else if let Some(amount) = line.strip_prefix("VmRSS:") {
            let amount = amount.split_whitespace().next().and_then(|amount| amount.parse().ok());
            *kib.entry(process).or_default() += amount.unwrap_or(0);
        }
    }
    let mut all: Vec<(&str, u64)> = kib.into_iter().collect();
    all.sort_by_key(|(_, kib)| std::cmp::Reverse(*kib));
    let part = |(process, kib): (&str, u64)| ProcessMemory { process: process.to_owned(), mib: kib as f64 / 1024.0 };
    all.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_links_and_loopbacks() {
        let said = "docker0          DOWN           172.17.0.1/16 \n\
                    eth1@if7         UP             10.0.0.0/31 \n\
                    lo               UNKNOWN        127.0.0.1/8 1.1.1.1/32 \n\
                    eth2             DOWN           \n";
        assert_eq!(brief_addresses(said), ["lo 1.1.1.1/32", "eth1 10.0.0.0/31"]);
    }

    #[test]
    fn the_memory_of_processes_of_one_name_is_added_up_and_kernel_threads_have_none() {
        let said = "Name:\tsh\nVmRSS:\t    512 kB\nName:\tkthreadd\nName:\tkubelet\nVmRSS:\t  40960 kB\n\
                    Name:\tsh\nVmRSS:\t    512 kB\n";
        let part = |process: &str, mib| ProcessMemory { process: process.to_owned(), mib };
        assert_eq!(by_process(said), [part("kubelet", 40.0), part("sh", 1.0)]);
    }
}
