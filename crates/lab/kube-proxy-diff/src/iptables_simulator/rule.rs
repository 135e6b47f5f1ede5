//! A rule: the tests that a packet has to pass, and what is done to it then.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    ops::RangeInclusive,
};

use anyhow::{Context, Result, bail};
use ipnet::Ipv4Net;

use crate::objects::Transport;

/// A rule of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub tests: Vec<Test>,
    /// Rules without a target do nothing but what their tests do on the side.
    pub target: Option<RuleTarget>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    pub negated: bool,
    pub kind: TestKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TestKind {
    Source(Ipv4Net),
    Destination(Ipv4Net),
    Protocol(Transport),
    InInterface(String),
    OutInterface(String),
    SourcePorts(RangeInclusive<u16>),
    DestinationPorts(RangeInclusive<u16>),
    Mark(Masked),
    SourceIsLocal,
    DestinationIsLocal,
    /// The states of a connection that pass, by their names.
    ConnectionState(Vec<String>),
    /// The packet came in by a port of a bridge.
    CameByBridgePort,
    /// Passes with this probability.
    Random(f64),
    /// Remembers the source in a list; always passes.
    Remember(String),
    /// The source is in a list, at most so many seconds old.
    Remembered {
        list: String,
        seconds: Option<u32>,
    },
}

/// The part of a packet's mark that a rule is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Masked {
    pub value: u32,
    pub mask: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RuleTarget {
    Accept,
    Drop,
    Reject(String),
    Return,
    Dnat(SocketAddrV4),
    Redirect(u16),
    Masquerade {
        random_fully: bool,
    },
    /// mark = mark without `mask`, then exclusive-or `value`.
    Mark(Masked),
    Jump(String),
    Goto(String),
}

/// Matches whose options are understood below.
const MATCHES: [&str; 9] = ["tcp", "udp", "sctp", "comment", "statistic", "recent", "mark", "addrtype", "conntrack"];
const PHYSDEV: &str = "physdev";

/// The options of `-m recent`, which only together say what it does.
#[derive(Default)]
struct Recent {
    name: Option<String>,
    set: bool,
    check: bool,
    seconds: Option<u32>,
}

impl Rule {
    /// Reads the words after `-A chain`.
    pub fn parse(words: &[&str]) -> Result<Rule> {
        let mut rule = Rule { tests: vec![], target: None };
        let mut recent = Recent::default();
        let mut negated = false;
        let mut words = words.iter().copied();
        while let Some(option) = words.next() {
            if option == "!" {
                negated = true;
                continue;
            }
            let mut value = || words.next().with_context(|| format!("{option} lacks its value"));
            let mut test = |kind| rule.tests.push(Test { negated, kind });
            match option {
                "-s" => test(TestKind::Source(network(value()?)?)),
                "-d" => test(TestKind::Destination(network(value()?)?)),
                "-p" => test(TestKind::Protocol(protocol(value()?)?)),
                "-i" => test(TestKind::InInterface(value()?.to_owned())),
                "-o" => test(TestKind::OutInterface(value()?.to_owned())),
                "--sport" => test(TestKind::SourcePorts(ports(value()?)?)),
                "--dport" => test(TestKind::DestinationPorts(ports(value()?)?)),
                "--mark" => test(TestKind::Mark(masked(value()?)?)),
                "--src-type" if value()? == "LOCAL" => test(TestKind::SourceIsLocal),
                "--dst-type" if value()? == "LOCAL" => test(TestKind::DestinationIsLocal),
                "--ctstate" => test(TestKind::ConnectionState(value()?.split(',').map(str::to_owned).collect())),
                "--physdev-is-in" => test(TestKind::CameByBridgePort),
                "--mode" if value()? == "random" => {}
                "--probability" => test(TestKind::Random(value()?.parse().context("a probability is a number")?)),
                "--comment" | "--mask" => drop(value()?),
                "--name" => recent.name = Some(value()?.to_owned()),
                "--set" => recent.set = true,
                "--rcheck" | "--update" => recent.check = true,
                "--seconds" => recent.seconds = Some(value()?.parse().context("seconds are a number")?),
                "--reap" | "--rsource" => {}
                "-m" => {
                    let name = value()?;
                    if !MATCHES.contains(&name) && name != PHYSDEV {
                        bail!("the match {name} is not understood");
                    }
                }
                "-g" => rule.target = Some(RuleTarget::Goto(value()?.to_owned())),
                "-j" => {
                    let name = value()?.to_owned();
                    let options: Vec<&str> = words.by_ref().collect();
                    rule.target = Some(target(&name, &options)?);
                }
                other => bail!("the option {other} is not understood"),
            }
            negated = false;
        }
        match (recent.name, recent.set, recent.check) {
            (None, false, false) => {}
            (Some(list), true, false) => rule.tests.push(Test { negated: false, kind: TestKind::Remember(list) }),
            (Some(list), false, true) => {
                let kind = TestKind::Remembered { list, seconds: recent.seconds };
                rule.tests.push(Test { negated: false, kind });
            }
            _ => bail!("`-m recent` has to set or to check one list"),
        }
        Ok(rule)
    }
}

fn target(name: &str, options: &[&str]) -> Result<RuleTarget> {
    Ok(match (name, options) {
        ("ACCEPT", []) => RuleTarget::Accept,
        ("DROP", []) => RuleTarget::Drop,
        ("RETURN", []) => RuleTarget::Return,
        ("REJECT", ["--reject-with", with]) => RuleTarget::Reject((*with).to_owned()),
        ("DNAT", ["--to-destination", to]) => {
            RuleTarget::Dnat(to.parse().context("DNAT leads to an address and a port")?)
        }
        ("REDIRECT", ["--to-ports", port]) => RuleTarget::Redirect(port.parse().context("REDIRECT leads to a port")?),
        ("MASQUERADE", []) => RuleTarget::Masquerade { random_fully: false },
        ("MASQUERADE", ["--random-fully"]) => RuleTarget::Masquerade { random_fully: true },
        ("MARK", ["--set-xmark", mark]) => RuleTarget::Mark(masked(mark)?),
        (chain, []) if chain.contains('-') => RuleTarget::Jump(chain.to_owned()),
        _ => bail!("the target {name} {} is not understood", options.join(" ")),
    })
}

fn network(text: &str) -> Result<Ipv4Net> {
    match text.parse() {
        Ok(network) => Ok(network),
        Err(_) => Ok(Ipv4Net::from(text.parse::<Ipv4Addr>().with_context(|| format!("{text} is no network"))?)),
    }
}

fn protocol(text: &str) -> Result<Transport> {
    match text {
        "tcp" | "6" => Ok(Transport::Tcp),
        "udp" | "17" => Ok(Transport::Udp),
        "sctp" | "132" => Ok(Transport::Sctp),
        other => bail!("the protocol {other} is not understood"),
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    Ok(first.parse().context("a port is a number")?..=last.parse().context("a port is a number")?)
}

/// `value/mask`, in hexadecimal; without a mask all bits count.
fn masked(text: &str) -> Result<Masked> {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    Ok(Masked { value: hexadecimal(value)?, mask: hexadecimal(mask)? })
}

fn hexadecimal(text: &str) -> Result<u32> {
    let digits = text.strip_prefix("0x").with_context(|| format!("{text} is not hexadecimal"))?;
    u32::from_str_radix(digits, 16).with_context(|| format!("{text} is not hexadecimal"))
}
