//! The texts that flags and the configuration file have as values. Each function says what is wrong and what would be right.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::{DetectLocalMode, ProxyMode};
use crate::routed_nodes::RoutedNode;

/// A duration as Go writes it: `1h30m`, `1.5s`, `250ms`, `0`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "is no duration: write numbers with units, such as 250ms, 30s or 1h30m".to_owned();
    if text.starts_with('-') {
        return Err("is negative: a duration from 0s on is needed".to_owned());
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        seconds += number.parse::<f64>().map_err(|_| wrong())? * unit;
        rest = after;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    // Go's durations end at 292 years.
    if seconds > i64::MAX as f64 / 1e9 {
        return Err("is too long".to_owned());
    }
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// A duration that something can be done in.
pub fn duration_above_zero(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be greater than 0".to_owned()),
        other => Ok(other),
    }
}

/// How Go reads booleans.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A whole number within `range`.
pub fn number<T: FromStr + PartialOrd + std::fmt::Display>(text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("must be a whole number from {} to {}", range.start(), range.end())),
    }
}

pub fn ipv4(text: &str) -> Result<Ipv4Addr, String> {
    match text.parse() {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(_)) => {
            Err("is an IPv6 address, and this kube-proxy serves IPv4: give an IPv4 address".to_owned())
        }
        Err(_) => Err("is no IP address".to_owned()),
    }
}

/// `IP` or `IP:port`; empty is `None`.
pub fn listen_address(text: &str, default_port: u16) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = match (text.parse::<SocketAddr>(), bare.parse::<IpAddr>()) {
        (Ok(address), _) => address,
        (Err(_), Ok(ip)) => SocketAddr::new(ip, default_port),
        _ => return Err(format!("must be IP:port, such as 0.0.0.0:{default_port}, or empty for no server")),
    };
    if address.port() == 0 {
        return Err("needs a port from 1 to 65535; give an empty address for no server".to_owned());
    }
    Ok(Some(address))
}

/// A network interface; empty is `None`.
pub fn interface(text: &str) -> Result<Option<String>, String> {
    let can_be_one = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'+' | b'"' | b'\'' | b'\\');
    match text {
        "" => Ok(None),
        "." | ".." => Err("is no name of a network interface".to_owned()),
        _ if text.len() < libc::IF_NAMESIZE && text.bytes().all(can_be_one) => Ok(Some(text.to_owned())),
        _ => Err("is no name of a network interface, such as kube0".to_owned()),
    }
}

/// One IPv4 block, be it beside one of IPv6 as in a cluster of both; empty is `None`.
pub fn ipv4_block(text: &str) -> Result<Option<Ipv4Net>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let blocks = ipv4_blocks(text.split(',').map(str::trim).filter(|text| !text.is_empty()));
    match (text.contains(','), blocks?.as_slice()) {
        (_, [block]) => Ok(Some(*block)),
        _ => Err("has several IPv4 blocks, and only one is allowed".to_owned()),
    }
}

/// Nodes, each as its address and the block of its pods.
pub fn routed_nodes(text: &str) -> Result<Vec<RoutedNode>, String> {
    let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    let node = |text: &str| {
        let (address, pods) = text.split_once('=')?;
        Some(RoutedNode { address: address.parse().ok()?, pods: pods.parse().ok()? })
    };
    let nodes = texts.map(|text| {
        node(text).ok_or_else(|| {
            format!(
                "has {text:?}, which is no node: give its address and its pods' block, such as 2.2.2.2=10.16.1.0/24"
            )
        })
    });
    nodes.collect()
}

/// Of blocks of both families, the IPv4 ones. Those of IPv6 select nothing here, as upstream's IPv4 proxier has it.
pub fn ipv4_blocks<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Ipv4Net>, String> {
    let mut blocks = Vec::new();
    let mut others = 0;
    for text in texts {
        match block(text) {
            Ok(IpNet::V4(block)) => blocks.push(block),
            Ok(IpNet::V6(_)) => others += 1,
            Err(why) => return Err(format!("has {text:?}, which {why}")),
        }
    }
    if blocks.is_empty() && others > 0 {
        return Err(
            "has IPv6 blocks alone, and this kube-proxy serves IPv4: add an IPv4 one, or none for all addresses".into(),
        );
    }
    Ok(blocks)
}

fn block(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>().map(|block| block.trunc()).map_err(|_| match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => format!("is no block: write {text}/32 for this address alone"),
        _ => "is no block of addresses, such as 10.16.0.0/16".to_owned(),
    })
}

/// The mode of upstream's that goes on as another one where the kernel has nothing for it.
pub const IPVS: &str = "ipvs";

/// Empty is `None`: the best that there is.
pub fn proxy_mode(text: &str) -> Result<Option<ProxyMode>, String> {
    match text {
        "" => Ok(None),
        "iptables" => Ok(Some(ProxyMode::Iptables)),
        "userspace" => Ok(Some(ProxyMode::Userspace)),
        IPVS => Ok(None),
        "nftables" | "kernelspace" => Err(
            "is a mode that this kube-proxy does not have: there are iptables and userspace; empty is the best of them"
                .into(),
        ),
        _ => Err("must be iptables, userspace, or empty for the best of them".to_owned()),
    }
}

/// Empty is upstream's default, which is `ClusterCIDR`.
pub fn detect_local_mode(text: &str) -> Result<DetectLocalMode, String> {
    match text {
        "" | "ClusterCIDR" => Ok(DetectLocalMode::ClusterCidr),
        "NodeCIDR" => Ok(DetectLocalMode::NodeCidr),
        _ => Err("must be ClusterCIDR: local traffic is told by --cluster-cidr".to_owned()),
    }
}

/// A node's name, in lower case and without blanks around it; empty is the host's.
pub fn node_name(text: &str) -> Result<String, String> {
    let name = text.trim().to_lowercase();
    if name.is_empty() && !text.is_empty() { Err("is no node name".to_owned()) } else { Ok(name) }
}

/// A number of conntrack entries, of which upstream's is an int32.
pub fn count(text: &str) -> Result<Option<u32>, String> {
    number(text, 0..=i32::MAX as u32).map(Some)
}

/// Empty is none.
pub fn path(text: &str) -> Option<PathBuf> {
    self::text(text).map(PathBuf::from)
}

/// Empty is none.
pub fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in
            [("0", 0), ("0s", 0), ("250ms", 250), ("30s", 30_000), ("1h30m", 5_400_000), ("1.5s", 1_500), (".5s", 500)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(duration("1us2ns"), Ok(Duration::from_nanos(1002)));
    }

    #[test]
    fn what_is_no_duration_is_an_error_and_no_panic() {
        for text in ["", "5", "s", "1h-5m", "-1s", "1..5s", "inf", "NaNs", "1e9s", "1d", "99999999999999999999h", "µ"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration_above_zero("0s"), Err("must be greater than 0".into()));
    }

    #[test]
    fn an_address_to_listen_on_may_leave_out_its_port_and_be_empty() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(listen_address("", 7), Ok(None));
        assert_eq!(listen_address("1.2.3.4", 7), Ok(Some(address("1.2.3.4:7"))));
        assert_eq!(listen_address("[::]:80", 7), Ok(Some(address("[::]:80"))));
        assert_eq!(listen_address("::1", 7), Ok(Some(address("[::1]:7"))));
        assert_eq!(listen_address("[::1]", 7), Ok(Some(address("[::1]:7"))));
        assert!(listen_address("localhost:80", 7).is_err());
        assert!(listen_address("1.2.3.4:0", 7).is_err());
    }

    #[test]
    fn a_single_address_for_a_block_is_answered_with_the_right_spelling() {
        assert!(ipv4_blocks(["10.0.0.0/8", "1.2.3.4"]).unwrap_err().contains("1.2.3.4/32"));
        assert_eq!(ipv4_blocks(["10.1.2.3/8", "fd00::/8"]), Ok(vec!["10.0.0.0/8".parse().unwrap()]));
        assert!(ipv4_blocks(["fd00::/8"]).is_err(), "all addresses is not what was asked for");
    }

    #[test]
    fn one_ipv4_block_is_the_cluster_s() {
        assert_eq!(ipv4_block("10.16.0.0/16"), Ok(Some("10.16.0.0/16".parse().unwrap())));
        assert_eq!(ipv4_block("fd00::/8,10.16.0.0/16"), ipv4_block("10.16.0.0/16"));
        assert!(ipv4_block("10.16.0.0/16,10.17.0.0/16").is_err());
        assert!(ipv4_block(",").is_err());
        assert!(ipv4_block("fd00::/8").is_err());
        assert!(ipv4_block("10.16.0.0/33").is_err());
    }
}
