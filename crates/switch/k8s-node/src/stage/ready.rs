//! The end of the bring-up: every component says that it is healthy, and the node is Ready.

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};
use contract::Stage;

use super::waiting_for;
use crate::{health, service, switch::Switch, systemd};

const LIMIT: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(250);

pub fn ready(switch: &Switch) -> Result<String> {
    let (begun, mut said) = (SystemTime::now(), String::new());
    let deadline = Instant::now() + LIMIT;
    let services: Vec<&str> = service::of(switch).collect();
    loop {
        let missing = missing(switch, &services);
        let Some((what, error)) = missing.first() else {
            break;
        };
        if Instant::now() > deadline {
            let tail = systemd::tail(&format!("{what}.service"), 5);
            bail!("{what} is not healthy after {} s: {error:#}\n{}", LIMIT.as_secs(), tail.trim_end());
        }
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        waiting_for(Stage::Ready, begun, &mut said, &format!("waiting for {}", names.join(", ")))?;
        thread::sleep(PAUSE);
    }
    let node = if switch.node.worker { ", the node is Ready" } else { "" };
    Ok(format!("{} are healthy{node}", services.join(", ")))
}

/// What is not healthy yet, and why. The node is asked about when its services are.
fn missing(switch: &Switch, services: &[&'static str]) -> Vec<(&'static str, anyhow::Error)> {
    let mut missing: Vec<_> =
        services.iter().filter_map(|name| health::service(name).err().map(|error| (*name, error))).collect();
    if missing.is_empty() && switch.node.worker {
        let node = health::node_ready(switch).context("the node is not Ready");
        missing.extend(node.err().map(|error| ("kubelet", error)));
    }
    missing
}
