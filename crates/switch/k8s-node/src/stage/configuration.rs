//! EOS' configuration, which may be applied after its extensions are installed: what of it the bring-up waits for, and for how long.
//!
//! A hostname comes as long as it takes: without it nobody knows which node this is. The address and EOS' command line come with the same
//! configuration; for them there is a time, counted from the hostname on, after which what is missing is wrong.

use std::{
    fmt, fs,
    net::Ipv4Addr,
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use cluster::Cluster;
use common::{command::find_on_path, files};
use contract::{Stage, places};

use super::waiting_for;
use crate::{
    eos_cli,
    switch::{self, Name},
};

/// On a switch that has been on for longer, nothing is to come by itself.
const BOOTED: Duration = Duration::from_secs(15 * 60);

/// A vEOS takes up to five minutes.
const APPLIED: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(500);

/// What EOS has not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Missing {
    Hostname,
    Address(Ipv4Addr),
    CommandLine(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Hostname => f.write_str(switch::NO_HOSTNAME),
            Missing::Address(address) => write!(
                f,
                "{}: no interface has {address} yet, which cluster.toml gives this switch",
                switch::WAITING_FOR_CONFIGURATION
            ),
            Missing::CommandLine(why) => {
                write!(f, "{}: FastCli does not answer yet: {why}", switch::WAITING_FOR_CONFIGURATION)
            }
        }
    }
}

/// Waits for the hostname and the address, going by whatever cluster.toml there is at the moment. What is still missing at the end, or is
/// wrong by now, is told by who needs it.
pub fn wait_for_node(begun: SystemTime) -> Result<()> {
    let look = || {
        let cluster = switch::read(places::CLUSTER_TOML.as_ref()).ok()?;
        missing_of_node(&cluster, &switch::hostname(), switch::is_ours)
    };
    wait(Stage::Prepare, begun, look)
}

/// Waits for EOS' command line; where there is none there is nothing to wait for.
pub fn wait_for_command_line(begun: SystemTime) -> Result<()> {
    if find_on_path("FastCli").is_none() {
        return Ok(());
    }
    wait(Stage::Routes, begun, || refusal().map(Missing::CommandLine))
}

fn missing_of_node(cluster: &Cluster, hostname: &str, is_ours: impl Fn(Ipv4Addr) -> bool) -> Option<Missing> {
    match switch::name(cluster, hostname) {
        Name::NoneYet => Some(Missing::Hostname),
        Name::Of(node) => (!is_ours(node.address)).then_some(Missing::Address(node.address)),
        Name::OfNoNode => None,
    }
}

/// Why EOS' command line does nothing for us.
fn refusal() -> Option<String> {
    let asked = eos_cli::show("ask EOS' command line", "show version");
    asked.err().map(|error| format!("{error:#}"))
}

fn wait(stage: Stage, begun: SystemTime, mut look: impl FnMut() -> Option<Missing>) -> Result<()> {
    let mut said = String::new();
    while let Some(missing) = look() {
        if missing != Missing::Hostname && is_over(places::NAMED_SINCE.as_ref(), since_power_on()?)? {
            break;
        }
        waiting_for(stage, begun, &mut said, &missing.to_string())?;
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Whether what came with the hostname would be there by now.
fn is_over(file: &Path, up: Duration) -> Result<bool> {
    Ok(up >= BOOTED || named_for(file, up)? >= APPLIED)
}

/// For how long this switch has had its hostname, as far as anybody has asked: by the time since it was powered on, as clocks are
/// set about then.
fn named_for(file: &Path, up: Duration) -> Result<Duration> {
    let since = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    match since.filter(|since| *since <= up) {
        Some(since) => Ok(up - since),
        None => {
            files::write_atomically(file, up.as_secs().to_string())?;
            Ok(Duration::ZERO)
        }
    }
}

/// How long PID 1 has been there: in a container, /proc/uptime is the machine's.
fn since_power_on() -> Result<Duration> {
    let (uptime, init) = (files::read_text("/proc/uptime".as_ref())?, files::read_text("/proc/1/stat".as_ref())?);
    since(&uptime, &init).with_context(|| format!("/proc has no times of PID 1: {uptime:?}, {init:?}"))
}

/// By the two files: the first number of the one, and the 22nd field of the other, in hundredths of a second.
fn since(uptime: &str, init: &str) -> Option<Duration> {
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    // The program's name may have anything in it.
    let started: f64 = init.rsplit_once(") ")?.1.split_whitespace().nth(19)?.parse().ok()?;
    Duration::try_from_secs_f64((uptime - started / 100.0).max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");

    fn cluster() -> Cluster {
        Cluster::parse(CLUSTER, "cluster.toml").unwrap()
    }

    #[test]
    fn a_switch_that_eos_has_not_named_waits_and_one_that_is_no_node_does_not() {
        let node = cluster().master().clone();
        for hostname in ["localhost", "localhost.localdomain", "", "(none)"] {
            let missing = missing_of_node(&cluster(), hostname, |_| true).unwrap();
            assert_eq!(missing.to_string(), "waiting for EOS' configuration: no hostname yet", "{hostname}");
        }
        assert_eq!(missing_of_node(&cluster(), &node.name, |_| false), Some(Missing::Address(node.address)));
        assert_eq!(missing_of_node(&cluster(), &node.name, |address| address == node.address), None);
        assert_eq!(missing_of_node(&cluster(), "somebody-else", |_| false), None);
        // An operator may call a switch so.
        let text = CLUSTER.replace(&node.name, "localhost");
        let cluster = Cluster::parse(&text, "cluster.toml").unwrap();
        assert_eq!(missing_of_node(&cluster, "localhost", |_| true), None);
    }

    #[test]
    fn the_time_for_the_rest_counts_from_the_hostname_on_and_is_kept_over_restarts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("named-since");
        let at = |seconds| named_for(&file, Duration::from_secs(seconds)).unwrap().as_secs();
        assert_eq!([at(100), at(130), at(500)], [0, 30, 400]);
        // Another boot, whose /run was kept.
        assert_eq!([at(20), at(30)], [0, 10]);
        fs::write(&file, "no time").unwrap();
        assert_eq!([at(40), at(41)], [0, 1]);
    }

    #[test]
    fn a_switch_that_has_been_on_for_long_waits_for_no_address() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("named-since");
        let at = |seconds| is_over(&file, Duration::from_secs(seconds)).unwrap();
        assert_eq!([at(60), at(359), at(360), at(900)], [false, false, true, true]);
        fs::remove_file(&file).unwrap();
        assert!(at(7 * 24 * 3600), "a mistake in cluster.toml is told at once");
        let init = "1 (a ) b) S 0 1 1 0 -1 4194560 16 35 8 11 1 32 3 4 20 0 1 0 5000 1763 42 18446744073709551615";
        assert_eq!(since("170.25 300.00\n", init), Some(Duration::from_millis(120_250)));
        assert_eq!(since("", init), None);
        assert!(since_power_on().unwrap() > Duration::ZERO);
    }
}
