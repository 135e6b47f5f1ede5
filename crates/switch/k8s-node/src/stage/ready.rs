//! The end of the bring-up: every component says that it is healthy, and the node is Ready.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow};
use common::retry::{self, Failed};
use contract::Stage;

use super::{Runner, waiting_for};
use crate::{health, metrics_server, service, storage, switch::Switch, systemd};

const LIMIT: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(250);

/// A renewal does not ask for the node: a master that is away is none of its failures.
pub fn ready(switch: &Switch, runner: Runner) -> Result<String> {
    let asks_for_node = switch.node.worker && runner == Runner::BringUp;
    let (begun, mut said) = (SystemTime::now(), String::new());
    // What nodes and pods use is nothing that they wait for.
    let services: Vec<&str> = service::of(switch).filter(|name| *name != metrics_server::SERVICE).collect();
    let mut unhealthy = None;
    let healthy = retry::until("the node is healthy", LIMIT, PAUSE, || {
        let missing = missing(switch, &services, asks_for_node);
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        let Some((name, error)) = missing.into_iter().next() else { return Ok(()) };
        unhealthy = None;
        waiting_for(Stage::Ready, begun, &mut said, &format!("waiting for {}", names.join(", ")))
            .map_err(Failed::Stop)?;
        unhealthy = Some(name);
        Err(error.context(format!("{name} is not healthy")).into())
    });
    healthy.map_err(|error| match unhealthy {
        Some(name) => {
            let tail = systemd::tail(&format!("{name}.service"), 5);
            anyhow!("{error:#}\n{}", tail.trim_end())
        }
        None => error,
    })?;
    let node = if asks_for_node { ", the node is Ready" } else { "" };
    // What a boot has come up without; a renewal may be the first that is Ready in a boot that was not.
    let removed = if runner == Runner::BringUp { storage::forget_before()? } else { None };
    let removed = removed.map(|what| format!("; {what}")).unwrap_or_default();
    Ok(format!("{} are healthy{node}{removed}", services.join(", ")))
}

/// What is not healthy yet, and why. The node is asked about when its services are.
fn missing(switch: &Switch, services: &[&'static str], asks_for_node: bool) -> Vec<(&'static str, anyhow::Error)> {
    let mut missing: Vec<_> =
        services.iter().filter_map(|name| health::service(name).err().map(|error| (*name, error))).collect();
    if missing.is_empty() && asks_for_node {
        let node = health::node_ready(switch).context("the node is not Ready");
        missing.extend(node.err().map(|error| ("kubelet", error)));
    }
    missing
}
