//! Routes to the pods on the other switches, given to EOS by its own command line so that its routing knows them.

use std::{fs, io, path::Path};

use anyhow::{Context, Result, bail};
use cluster::{Cluster, Node};
use common::{command::Program, errors, files};
use contract::places;

use crate::program;

/// The interface that a route without a way out leads to.
const LOOPBACK: &str = "lo";

/// A static route as EOS' configuration has it: `ip route RANGE NEXT-HOP`.
type Route = String;

/// What was done about the routes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub kept: usize,
    pub added: Vec<Route>,
    pub removed: Vec<Route>,
}

/// Adds what is missing, and takes away what cluster.toml no longer asks for.
pub fn ensure(cluster: &Cluster, node: &Node) -> Result<Changes> {
    let others = cluster.nodes.iter().filter(|other| other.worker && other.name != node.name);
    let desired: Vec<Route> = others.map(|other| format!("ip route {} {}", other.pod_cidr, other.address)).collect();
    let ours = recorded()?;
    let mut changes = Changes::default();
    for route in ours.iter().filter(|route| !desired.contains(route)) {
        configure(&format!("no {route}"))?;
        changes.removed.push(route.clone());
    }
    // Recorded first: one that is recorded and not there is harmless, one that is there and not recorded stays for ever.
    record(&desired)?;
    for route in desired {
        if ours.contains(&route) && is_configured(&route)? {
            changes.kept += 1;
        } else {
            configure(&route)?;
            changes.added.push(route);
        }
    }
    Ok(changes)
}

/// Takes every route of ours away.
pub fn remove_all() -> Result<()> {
    errors::all(recorded()?.iter().map(|route| configure(&format!("no {route}"))))?;
    record(&[])
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
fn is_configured(route: &str) -> Result<bool> {
    let range = route.split_whitespace().nth(2).unwrap_or_default();
    let shown = program::new("ip", "look at the routes")?.args(["-4", "route", "show", "exact", range]).read()?;
    Ok(!shown.trim().is_empty())
}

fn configure(line: &str) -> Result<()> {
    let commands = format!("enable\nconfigure\n{line}");
    let printed = program::new("FastCli", "give EOS a route")?.args(["-p", "15", "-c", &commands]).read()?;
    // EOS' command line says what is wrong and ends well all the same.
    if let Some(refusal) = printed.lines().find(|line| line.starts_with('%')) {
        bail!("EOS does not take `{line}`: {refusal}");
    }
    Ok(())
}

/// A packet for a Service needs some route before kube-proxy's rules give it another destination. Where there is no
/// default route, the loopback interface is it. Says whether one was added.
pub fn ensure_service_range(cluster: &Cluster) -> Result<bool> {
    let service = cluster.first_service_address().to_string();
    let found = program::new("ip", "look for a route")?.args(["-4", "route", "get", &service]).output()?;
    if found.status.success() {
        return Ok(false);
    }
    let range = cluster.service_cidr.to_string();
    program::new("ip", "add a route for Services")?.args(["-4", "route", "add", &range, "dev", LOOPBACK]).read()?;
    Ok(true)
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
