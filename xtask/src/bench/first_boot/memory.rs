//! The memory of the one daemon that we add to a master: the server that workers enrol at, after some have.

use std::{net::SocketAddr, path::Path, time::Duration, time::SystemTime};

use anyhow::{Context, Result};
use cluster::{Cluster, pki};
use common::files;
use contract::ports;
use enrolment::{Token, Trust, enrol};

use super::switch::BenchSwitch;

const UNIT: &str = "kubernetes-on-eos-enrolment.service";

/// How many come; the server lets ten of one address in a minute.
const ENROLMENTS: usize = 8;

/// Resident memory in KiB.
pub struct EnrolmentMemory {
    pub enrolments: usize,
    pub now: u64,
    /// The most since the service was started.
    pub most: u64,
}

/// Asks for certificates as the workers of `cluster` would, of a master that has come up with the same file, and does not mind
/// where they ask from.
pub fn of_enrolment_server(master: &BenchSwitch, cluster: &Path) -> Result<EnrolmentMemory> {
    let cluster = Cluster::parse(&files::read_text(cluster)?, &cluster.display().to_string())?;
    let token = Token::new(cluster.token.as_ref().context("the file has no token")?.reveal())?;
    let address = SocketAddr::new(master.device()?.management_address()?.parse()?, ports::ENROLMENT);
    let workers: Vec<_> = cluster.nodes.iter().filter(|node| !node.master).collect();
    // Each keeps its keys: the master signs for no others under its name.
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    for worker in workers.iter().cycle().take(ENROLMENTS) {
        let (own, now) = (directory.path().join(&worker.name), SystemTime::now());
        let requests = pki::requests(&own, &cluster, worker, now)?;
        let identity = &pki::node_identity(&own, &cluster, worker, now)?;
        let csrs: Vec<String> = requests.into_iter().flatten().map(|request| request.pem).collect();
        let timeout = Duration::from_secs(15);
        let (master, from, name) = (address, None, worker.name.as_str());
        let (trust, token) = (&Trust::Token, Some(&token));
        enrol(&enrolment::Request { master, from, name, identity, trust, token, csrs: &csrs, timeout })?;
    }
    let printed = master.run(&["memory", UNIT])?;
    let line = |name: &str| {
        let value = printed.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.with_context(|| format!("{UNIT} has no {name}: does it run?"))
    };
    Ok(EnrolmentMemory { enrolments: ENROLMENTS, now: line("VmRSS")?, most: line("VmHWM")? })
}
