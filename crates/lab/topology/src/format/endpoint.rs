//! One end of a link as it is written: `NAME[:INTERFACE[:ADDRESS/LENGTH]]`.

use std::net::Ipv4Addr;

/// The longest name that Linux gives an interface.
const INTERFACE_LENGTH: usize = 15;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written<'a> {
    pub device: &'a str,
    pub interface: Option<&'a str>,
    pub address: Option<&'a str>,
}

/// What is wrong with an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    #[error("{0:?} is not an endpoint; expected NAME:INTERFACE or NAME:INTERFACE:ADDRESS/LENGTH")]
    Form(String),
    #[error("{0:?} is not a device's name; expected letters, digits, `-`, `_` and `.`, a letter or digit first")]
    Name(String),
    #[error("{0:?} is not an interface's name; expected up to 15 characters without blanks and `/`, such as eth1")]
    Interface(String),
    #[error("{0:?} is not an address; expected ADDRESS/LENGTH, such as 10.0.0.1/31")]
    Address(String),
}

pub(super) fn parse(text: &str) -> Result<Written<'_>, BadEndpoint> {
    let mut parts = text.split(':');
    let device = parts.next().unwrap_or_default();
    let (interface, address) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return Err(BadEndpoint::Form(text.to_owned()));
    }
    if !is_name(device) {
        return Err(BadEndpoint::Name(device.to_owned()));
    }
    if let Some(bad) = interface.filter(|interface| !is_interface(interface)) {
        return Err(BadEndpoint::Interface(bad.to_owned()));
    }
    if let Some(bad) = address.filter(|address| !is_address(address)) {
        return Err(BadEndpoint::Address(bad.to_owned()));
    }
    Ok(Written { device, interface, address })
}

/// Whether a name will do for a container, and behind a prefix too.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

fn is_interface(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && c != '/';
    (1..=INTERFACE_LENGTH).contains(&name.len()) && name.chars().all(plain) && name != "." && name != ".."
}

fn is_address(text: &str) -> bool {
    let parts = text.split_once('/');
    parts.is_some_and(|(address, length)| {
        address.parse::<Ipv4Addr>().is_ok() && length.parse::<u8>().is_ok_and(|length| length <= 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_one_to_three_parts() {
        let written = |device, interface, address| Ok(Written { device, interface, address });
        assert_eq!(parse("veos-b"), written("veos-b", None, None));
        assert_eq!(parse("veos-b:eth1"), written("veos-b", Some("eth1"), None));
        assert_eq!(parse("host-c1:eth1:10.0.0.1/31"), written("host-c1", Some("eth1"), Some("10.0.0.1/31")));
    }

    #[test]
    fn each_part_that_is_wrong_is_named() {
        assert_eq!(parse("a:b:1.2.3.4/5:c"), Err(BadEndpoint::Form("a:b:1.2.3.4/5:c".into())));
        assert_eq!(parse(""), Err(BadEndpoint::Name("".into())));
        assert_eq!(parse("-x:eth1"), Err(BadEndpoint::Name("-x".into())));
        assert_eq!(parse("a:"), Err(BadEndpoint::Interface("".into())));
        assert_eq!(
            parse("a:an-interface-of-far-too-long"),
            Err(BadEndpoint::Interface("an-interface-of-far-too-long".into()))
        );
        for address in ["10.0.0.1", "10.0.0.256/31", "10.0.0.1/33", "/31"] {
            assert_eq!(parse(&format!("a:eth1:{address}")), Err(BadEndpoint::Address(address.into())));
        }
    }
}
