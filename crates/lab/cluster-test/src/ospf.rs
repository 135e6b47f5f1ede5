//! What a switch says of its OSPF neighbours, as EOS and FRR print it.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result};
use common::retry;

use crate::Switch;

const TOLD: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(500);

/// The states of a switch's neighbours, in capitals: `FULL` where all is well.
pub fn neighbour_states(switch: &Switch<'_>) -> Result<Vec<String>> {
    let printed = switch.cli("show ip ospf neighbor")?;
    Ok(states(&printed))
}

/// The address at the other end of the cable to a neighbour that has this router ID: its loopback address.
pub fn neighbour_address(switch: &Switch<'_>, router: Ipv4Addr) -> Result<Ipv4Addr> {
    // While OSPF is at work, nothing may be printed.
    retry::until(&format!("{} tells of its OSPF neighbours", switch.name()), TOLD, INTERVAL, || {
        let printed = switch.cli("show ip ospf neighbor")?;
        Ok(address_of(&printed, router).with_context(|| format!("it has no neighbour {router}:\n{printed}"))?)
    })
}

/// A line for each neighbour begins with its router ID and has its state in a word of its own: `FULL`, `FULL/DR`, `Full/-`.
fn states(printed: &str) -> Vec<String> {
    const KNOWN: [&str; 8] = ["FULL", "2WAY", "2-WAY", "INIT", "EXSTART", "EXCHANGE", "LOADING", "DOWN"];
    let state = |line: &str| {
        let mut words = line.split_whitespace();
        words.next()?.parse::<Ipv4Addr>().ok()?;
        let before_slash = |word: &str| word.split('/').next().unwrap_or_default().to_uppercase();
        Some(words.map(before_slash).find(|word| KNOWN.contains(&word.as_str())).unwrap_or_else(|| line.to_owned()))
    };
    printed.lines().filter_map(state).collect()
}

/// Of a neighbour's line, the second address: the first is its router ID.
fn address_of(printed: &str, router: Ipv4Addr) -> Option<Ipv4Addr> {
    let addresses = |line: &str| -> Vec<Ipv4Addr> { line.split_whitespace().flat_map(str::parse).collect() };
    let lines = printed.lines().map(addresses);
    lines.filter(|line| line.first() == Some(&router)).find_map(|line| line.get(1).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_switches_are_understood() {
        let eos = "Neighbor ID     Instance VRF      Pri State                  Dead Time   Address         Interface
2.2.2.2         1        default  0   FULL                   00:00:35    10.0.0.3        Ethernet2
3.3.3.3         1        default  1   EXCH START/BDR         00:00:31    10.0.0.5        Ethernet3
";
        let found = states(eos);
        assert_eq!(found[0], "FULL");
        assert_ne!(found[1], "FULL");
        assert_eq!(address_of(eos, Ipv4Addr::new(3, 3, 3, 3)), Some(Ipv4Addr::new(10, 0, 0, 5)));
        let frr = "
Neighbor ID     Pri State           Up Time         Dead Time Address         Interface                        RXmtL RqstL DBsmL
2.2.2.2           1 Full/-          1m02s             37.6s 10.0.0.3        eth2:10.0.0.2                        0     0     0
3.3.3.3           1 Init/DROther    1m02s             37.6s 10.0.0.5        eth3:10.0.0.4                        0     0     0
";
        assert_eq!(states(frr), ["FULL", "INIT"]);
        assert_eq!(address_of(frr, Ipv4Addr::new(2, 2, 2, 2)), Some(Ipv4Addr::new(10, 0, 0, 3)));
        assert_eq!(address_of(frr, Ipv4Addr::new(4, 4, 4, 4)), None);
        assert!(states("% Invalid input\n").is_empty());
    }
}
