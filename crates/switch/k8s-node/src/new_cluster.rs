//! What a new cluster is refused for, and one that runs already is only told of: a token that could be guessed, and ranges that
//! are those of something else. Whether the cluster is new, its master says by what is on its flash; a worker cannot tell.

use std::{fs, path::Path};

use anyhow::{Result, bail};
use cluster::{BRIDGE, Cluster, VXLAN, overlap};
use contract::places;
use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::{program, switch::Switch};

/// The network that Docker gives its containers unless its configuration has another one.
const DOCKER_DEFAULT: &str = "172.17.0.0/16";
const DOCKER_BRIDGE: &str = "docker0";
const DOCKER_CONFIGURATION: &str = "/etc/docker/daemon.json";

const LOOPBACK: &str = "lo";

/// Interfaces with addresses of pods.
const OF_PODS: [&str; 5] = [BRIDGE, VXLAN, "cni", "flannel", "veth"];

/// A network that this switch has already.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    range: Ipv4Net,
    by: String,
}

/// Fails where the cluster is new and something is not as it should be; else says what.
pub fn check(switch: &Switch, first_boot: bool) -> Result<Option<String>> {
    let mut warnings: Vec<String> = switch.cluster.warnings.to_string().lines().map(str::to_owned).collect();
    warnings.extend(overlaps_here(&switch.cluster)?);
    let is_new = switch.node.master && first_boot && !Path::new(places::ENCRYPTION_CONFIG).exists();
    match warnings {
        warnings if warnings.is_empty() => Ok(None),
        warnings if is_new => bail!("no new cluster begins so: {}", warnings.join("; ")),
        warnings => Ok(Some(warnings.join("; "))),
    }
}

/// Each range of the cluster that has addresses in common with a network of this switch.
pub fn overlaps_here(cluster: &Cluster) -> Result<Vec<String>> {
    let interfaces = program::new("ip", "see this switch's networks")?.args(["-4", "-oneline", "address", "show"]);
    let configuration = fs::read_to_string(DOCKER_CONFIGURATION).ok();
    Ok(overlaps(cluster, &taken(&interfaces.read()?, configuration.as_deref())))
}

fn overlaps(cluster: &Cluster, taken: &[Taken]) -> Vec<String> {
    let mut found = Vec::new();
    // cluster-dns has it.
    let dns = Taken { range: Ipv4Net::from(cluster.dns), by: LOOPBACK.to_owned() };
    for (key, range) in [("pod_cidr", cluster.pod_cidr), ("service_cidr", cluster.service_cidr)] {
        let overlapping = taken.iter().filter(|taken| **taken != dns && overlap(&taken.range, &range));
        found.extend(overlapping.map(|Taken { range: other, by }| {
            format!("{}: {key} {range} overlaps {other} of {by}; take another range", places::CLUSTER_TOML)
        }));
    }
    found
}

/// Out of what `ip -oneline address show` prints. Docker's bridge may come later.
fn taken(interfaces: &str, docker: Option<&str>) -> Vec<Taken> {
    let mut taken: Vec<Taken> = interfaces.lines().filter_map(interface).collect();
    if !taken.iter().any(|taken| taken.by == DOCKER_BRIDGE) {
        taken.extend(of_docker(docker).map(|range| Taken { range, by: format!("Docker's bridge {DOCKER_BRIDGE}") }));
    }
    taken
}

/// `2: eth0    inet 10.0.0.2/24 brd …`. What an interface of pods has is no network of somebody else.
fn interface(line: &str) -> Option<Taken> {
    let mut words = line.split_whitespace().skip(1);
    let by = words.next()?;
    let address: Ipv4Net = words.find(|word| *word == "inet").and_then(|_| words.next())?.parse().ok()?;
    let is_of_others = !address.addr().is_loopback() && !OF_PODS.iter().any(|ours| by.starts_with(ours));
    is_of_others.then(|| Taken { range: address.trunc(), by: by.to_owned() })
}

/// As Docker reads its configuration: the bridge's address, else the first of its pools; none where it makes no bridge.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct DockerConfiguration {
    bridge: Option<String>,
    bip: Option<String>,
    default_address_pools: Vec<Pool>,
}

#[derive(Deserialize)]
struct Pool {
    base: Ipv4Net,
    size: u8,
}

fn of_docker(configuration: Option<&str>) -> Option<Ipv4Net> {
    let configuration: DockerConfiguration =
        configuration.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if configuration.bridge.is_some() {
        return None;
    }
    if let Some(address) = configuration.bip.and_then(|bip| bip.parse::<Ipv4Net>().ok()) {
        return Some(address.trunc());
    }
    let pool = configuration.default_address_pools.first();
    pool.map_or_else(|| DOCKER_DEFAULT.parse().ok(), |pool| Ipv4Net::new(pool.base.network(), pool.size).ok())
}

#[cfg(test)]
mod tests;
