//! Whether the kernel drops a node's packets for the way that they come by: with a strict `rp_filter`, it takes from an interface only
//! what it would send there itself. Where several paths lead to a node, the way there and the way back differ.

use std::{collections::BTreeSet, fs, net::Ipv4Addr, path::Path};

use crate::program;

const STRICT: u8 = 1;

/// What an operator has to know of the interfaces that lead to these addresses.
pub fn remark(nodes: impl IntoIterator<Item = Ipv4Addr>) -> Option<String> {
    let interfaces: BTreeSet<String> = nodes.into_iter().filter_map(interface_to).collect();
    let strict: Vec<String> = interfaces.into_iter().filter(|interface| is_strict(interface)).collect();
    (!strict.is_empty()).then(|| {
        format!(
            "rp_filter is strict on {}: where a node's packets come by another way than leads there, they are dropped; \
             `sysctl -w net.ipv4.conf.all.rp_filter=2`, or have one way alone",
            strict.join(", ")
        )
    })
}

fn interface_to(node: Ipv4Addr) -> Option<String> {
    let ip = program::new("ip", "see the way to a node").ok()?;
    let printed = ip.args(["-4", "-oneline", "route", "get", &node.to_string()]).read().ok()?;
    let mut words = printed.split_whitespace().skip_while(|word| *word != "dev");
    words.nth(1).map(str::to_owned)
}

/// The larger one counts: of an interface, and of all.
fn is_strict(interface: &str) -> bool {
    let held = |name: &str| {
        let file = Path::new("/proc/sys/net/ipv4/conf").join(name).join("rp_filter");
        fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    held("all").max(held(interface)) == STRICT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_network::{Place, ip};

    #[test]
    #[ignore = "needs root, for network namespaces"]
    fn a_strict_filter_where_a_node_is_is_told_and_no_other_is() {
        let (here, there) = (Place::new(), Place::new());
        here.cable(("Et1", "10.0.0.1/24"), &there, ("Et1", "10.0.0.2/24"));
        here.run(|| ip("route add 2.2.2.2/32 via 10.0.0.2"));
        let said = |all: &str, of_one: &str| {
            here.run(|| {
                for (name, value) in [("all", all), ("Et1", of_one)] {
                    fs::write(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), value).unwrap();
                }
                remark([Ipv4Addr::new(2, 2, 2, 2), Ipv4Addr::new(3, 3, 3, 3)])
            })
        };
        for strict in [said("1", "0"), said("0", "1"), said("1", "1")] {
            assert!(strict.as_deref().is_some_and(|said| said.contains("strict on Et1")), "{strict:?}");
        }
        for (all, of_one) in [("0", "0"), ("2", "1"), ("1", "2")] {
            assert_eq!(said(all, of_one), None, "{all} {of_one}");
        }
    }
}
