//! Routes to the pods on the other switches, given to EOS by its own command line so that its routing knows them.

mod removal;

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use cluster::{Cluster, Node, VXLAN};
use common::{command::Program, errors, files};
use contract::places;

use crate::{desired::Desired, eos_cli, program};

/// The interface that a route without a way out leads to.
const LOOPBACK: &str = "lo";

/// A static route as EOS' configuration has it: `ip route RANGE NEXT-HOP`.
pub type Route = String;

const INTERVAL: Duration = Duration::from_millis(100);

/// What was done about the routes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub kept: usize,
    pub added: Vec<Route>,
    pub removed: Vec<Route>,
}

/// Those that a node has to the pods of the others.
pub fn desired(cluster: &Cluster, node: &Node) -> Vec<Route> {
    let others = cluster.nodes.iter().filter(|other| other.worker && other.name != node.name);
    others.map(|other| format!("ip route {} {}", other.pod_cidr, other.address)).collect()
}

/// Waits a little until the kernel has them all; says whether it has.
pub fn are_there_within(desired: &[Route], limit: Duration) -> Result<bool> {
    let end = Instant::now() + limit;
    loop {
        if desired.iter().try_fold(true, |all, route| anyhow::Ok(all && is_in_kernel(route)?))? {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        thread::sleep(INTERVAL);
    }
}

/// Adds what is missing, and takes away what is no longer asked for.
pub fn ensure(desired: Vec<Route>) -> Result<Changes> {
    removal::await_end()?;
    let ours = recorded()?;
    let mut changes = Changes::default();
    for route in ours.iter().filter(|route| !desired.contains(route)) {
        configure(&format!("no {route}"))?;
        changes.removed.push(route.clone());
    }
    // Recorded first: one that is recorded and not there is harmless, one that is there and not recorded stays for ever.
    record(&desired)?;
    let mut routes = EosRoutes { routes: desired };
    let absent = routes.wrong()?;
    for route in &routes.routes {
        if ours.contains(route) && !absent.contains(route) {
            changes.kept += 1;
        } else {
            configure(route)?;
            changes.added.push(route.clone());
        }
    }
    Ok(changes)
}

/// In EOS' running configuration, each.
pub struct EosRoutes {
    pub routes: Vec<Route>,
}

impl Desired for EosRoutes {
    /// One that the kernel has is configured; of one that it has not, the next hop may only not be known now.
    fn wrong(&mut self) -> Result<Vec<String>> {
        let mut absent = Vec::new();
        for route in &self.routes {
            if !is_in_kernel(route)? {
                absent.push(route.clone());
            }
        }
        if absent.is_empty() {
            return Ok(absent);
        }
        // One that cannot show it may take it all the same.
        let configured =
            eos_cli::show("look at the routes", "show running-config | include ip route").unwrap_or_default();
        absent.retain(|route| !configured.lines().any(|line| is_route(line, route)));
        Ok(absent)
    }

    fn repair(&mut self, things: &[String]) -> Result<()> {
        errors::all(things.iter().map(|route| configure(route)))
    }
}

/// What EOS adds to a route, a distance or a name, stands behind it.
fn is_route(line: &str, route: &str) -> bool {
    line.trim().strip_prefix(route).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Takes every route of ours away. Called by EOS' command line, that would wait for itself: then a unit of systemd does it by itself.
pub fn remove_all(caller: Caller) -> Result<()> {
    let routes = recorded()?;
    match caller {
        Caller::Shell => errors::all(routes.iter().map(|route| configure(&format!("no {route}"))))?,
        Caller::EosCli => removal::begin(&routes)?,
    }
    record(&[])
}

/// Who wants everything of ours to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Shell,
    /// `no extension`, by way of the RPM's scriptlet.
    EosCli,
}

fn recorded() -> Result<Vec<Route>> {
    match fs::read_to_string(places::ROUTES) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", places::ROUTES)),
    }
}

fn record(routes: &[Route]) -> Result<()> {
    let text: String = routes.iter().map(|route| format!("{route}\n")).collect();
    files::write_atomically(Path::new(places::ROUTES), text)
}

/// In the kernel, where EOS puts it as soon as its next hop is known.
fn is_in_kernel(route: &str) -> Result<bool> {
    let range = route.split_whitespace().nth(2).unwrap_or_default();
    let shown = program::new("ip", "look at the routes")?.args(["-4", "route", "show", "exact", range]).read()?;
    // By VXLAN the range may be reached all the same.
    Ok(shown.lines().any(|line| !line.trim().is_empty() && !line.contains(VXLAN)))
}

fn configure(line: &str) -> Result<()> {
    eos_cli::configure("give EOS a route", line)
}

/// A packet for a Service needs some route before kube-proxy's rules give it another destination. Where there is no
/// default route, the loopback interface is it.
pub struct ServiceRange {
    first: String,
    range: String,
}

impl ServiceRange {
    pub fn new(cluster: &Cluster) -> Self {
        ServiceRange { first: cluster.first_service_address().to_string(), range: cluster.service_cidr.to_string() }
    }
}

impl Desired for ServiceRange {
    fn wrong(&mut self) -> Result<Vec<String>> {
        let found = program::new("ip", "look for a route")?.args(["-4", "route", "get", &self.first]).output()?;
        Ok(if found.status.success() { Vec::new() } else { vec![self.range.clone()] })
    }

    fn repair(&mut self, _: &[String]) -> Result<()> {
        let words = ["-4", "route", "replace", &self.range, "dev", LOOPBACK];
        program::new("ip", "add a route for Services")?.args(words).read().map(drop)
    }
}

/// Takes the route for Services away, where it is ours.
pub fn remove_service_range(cluster: &Cluster) -> Result<()> {
    let range = cluster.service_cidr.to_string();
    let ip = |verb| -> Result<Program> {
        Ok(program::new("ip", "remove the route for Services")?.args(["-4", "route", verb, &range, "dev", LOOPBACK]))
    };
    if ip("show")?.read()?.trim().is_empty() {
        return Ok(());
    }
    ip("del")?.read().map(drop)
}

/// Takes the cluster's DNS address away, where cluster-dns was ended before it could.
pub fn remove_dns_address(cluster: &Cluster) -> Result<()> {
    let address = format!("{}/32", cluster.dns);
    let ip = || program::new("ip", "remove the cluster's DNS address");
    let shown = ip()?.args(["-4", "address", "show", "dev", LOOPBACK]).read()?;
    if !shown.split_whitespace().any(|word| word == address || word == cluster.dns.to_string()) {
        return Ok(());
    }
    ip()?.args(["-4", "address", "del", &address, "dev", LOOPBACK]).read().map(drop)
}

#[cfg(test)]
mod tests;
