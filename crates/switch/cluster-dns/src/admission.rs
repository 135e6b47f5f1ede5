//! Who is answered: this switch's pods, the switch itself, and whom cluster.toml names. Nobody else gets as much as an error.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// The switch's own addresses: the cluster's DNS address, which its programs ask from, and the node's.
    pub own: Vec<Ipv4Addr>,
    pub ranges: Vec<Ipv4Net>,
}

impl Admission {
    pub fn admits(&self, source: IpAddr) -> bool {
        let IpAddr::V4(ip) = source.to_canonical() else { return false };
        ip.is_loopback() || self.own.contains(&ip) || self.ranges.iter().any(|range| range.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_this_switch_and_itself_are_answered_and_nobody_else() {
        let admission = Admission {
            own: vec![[10, 10, 0, 10].into(), [10, 1, 0, 1].into()],
            ranges: vec!["10.16.1.0/24".parse().unwrap(), "192.0.2.0/28".parse().unwrap()],
        };
        for (source, admitted) in [
            ("10.16.1.7", true),
            ("10.16.2.7", false),
            ("10.10.0.10", true),
            ("10.1.0.1", true),
            ("10.1.0.2", false),
            ("127.0.0.1", true),
            ("192.0.2.15", true),
            ("192.0.2.16", false),
            ("198.51.100.1", false),
            ("::1", false),
            ("::ffff:10.16.1.7", true),
        ] {
            assert_eq!(admission.admits(source.parse().unwrap()), admitted, "{source}");
        }
    }
}
