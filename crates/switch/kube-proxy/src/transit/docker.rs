//! Docker's bridges. What their containers say passes through the node as anybody's does, but Docker's own rules translate it and let
//! it through by connection, so that it has to be tracked.

use std::collections::BTreeSet;
use std::io;

use ipnet::Ipv4Net;
use nix::ifaddrs::getifaddrs;

/// Of a network's number, so many hexadecimal digits are in the name of its bridge.
const DIGITS: usize = 12;

pub fn is_bridge(interface: &str) -> bool {
    let of_a_network = |digits: &str| digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    matches!(interface, "docker0" | "docker_gwbridge") || interface.strip_prefix("br-").is_some_and(of_a_network)
}

/// The containers' networks on this node's bridges.
pub fn networks() -> io::Result<BTreeSet<Ipv4Net>> {
    let of_bridges = getifaddrs()?.filter(|found| is_bridge(&found.interface_name));
    let network = of_bridges.filter_map(|found| {
        let address = found.address?.as_sockaddr_in()?.ip();
        let mask = found.netmask?.as_sockaddr_in()?.ip();
        Some(Ipv4Net::with_netmask(address, mask).ok()?.trunc())
    });
    Ok(network.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_s_bridge_is_not_taken_for_docker_s() {
        for name in ["docker0", "docker_gwbridge", "br-0a1b2c3d4e5f"] {
            assert!(is_bridge(name), "{name}");
        }
        for name in ["docker1", "br-wan", "br-0a1b2c3d4e5", "br-0a1b2c3d4e5g", "br0", "kube0"] {
            assert!(!is_bridge(name), "{name}");
        }
    }
}
