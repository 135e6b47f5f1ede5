//! The flags of the verbs that bring up a topology with a cluster on it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser};
use cluster::Cluster;
use common::files;
use devices::{Lab, traits::Wish};
use topology::Topology;

use super::device::{self, DriverName};
use crate::{Xtask, workspace::workspace};

#[derive(Args)]
pub struct LabFlags {
    /// The topology, in docker-topo's format [default: topo/k8s.yml]
    #[arg(long, value_name = "FILE", default_value_os_t = workspace().join("topo/k8s.yml"), hide_default_value = true)]
    pub topology: PathBuf,
    /// cluster.toml for the switches; where it has no token, one is made [default: topo/cluster.toml]
    #[arg(long, value_name = "FILE", default_value_os_t = workspace().join("topo/cluster.toml"), hide_default_value = true)]
    pub cluster: PathBuf,
    /// SWIX to install [default: the newest in dist/, which is built where there is none]
    #[arg(long, value_name = "FILE")]
    pub swix: Option<PathBuf>,
    /// What brings up the topology
    #[arg(long, value_enum, default_value_t = DriverName::Auto)]
    pub driver: DriverName,
    /// The program docker-topo, where it is not on PATH
    #[arg(long, value_name = "PATH")]
    pub docker_topo: Option<PathBuf>,
    /// A habit of EOS that the stand-ins are to have, or not to have: NAME=on or NAME=off, of docs/stand-in.md; may be given again
    #[arg(long = "trait", value_name = "NAME=on")]
    pub traits: Vec<Wish>,
    /// Bring the topology up under this prefix, beside one that is up; what an earlier run left under it is taken away
    /// [default: the file's]
    #[arg(long, value_name = "NAME", value_parser = prefix)]
    pub prefix: Option<String>,
}

impl LabFlags {
    pub fn topology(&self) -> Result<Topology> {
        let topology = Topology::load(&self.topology)?;
        Ok(match &self.prefix {
            Some(prefix) => topology.under_prefix(prefix),
            None => topology,
        })
    }

    /// A switch has one name: that of its device, which may have capitals.
    pub fn cluster(&self, topology: &Topology) -> Result<Cluster> {
        let mut cluster = Cluster::parse(&files::read_text(&self.cluster)?, &self.cluster.display().to_string())?;
        for node in &mut cluster.nodes {
            let Some(switch) = topology.switch_of_node(&node.name) else {
                bail!("{} names the node {}, and the topology has no such switch", self.cluster.display(), node.name);
            };
            node.name.clone_from(&switch.name);
        }
        Ok(cluster)
    }

    /// The SWIX that was given, or else the newest of dist/, which is built where there is none.
    pub fn swix(&self) -> Result<PathBuf> {
        self.swix.clone().map_or_else(of_dist, Ok)
    }
}

/// Takes away what an earlier run left.
pub fn down(topology: &Topology) -> Result<()> {
    let there = Lab::ensure_down(topology)?;
    let word = if there { "took away what was there" } else { "nothing was there" };
    println!("{word} of the topology {}", topology.prefix);
    Ok(())
}

/// Fails where a file is no SWIX.
pub fn check_swix(file: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("cannot read the SWIX {}", file.display()))?;
    swix::archive::parse(&bytes).with_context(|| format!("{} is no SWIX to install", file.display())).map(drop)
}

/// A prefix as docker-topo takes one: it names containers, networks and directories.
fn prefix(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_plain) {
        true => Ok(name.to_owned()),
        false => Err("a prefix is made of letters, digits, - and _, and begins with a letter or digit".to_owned()),
    }
}

/// The newest SWIX of dist/, which is built where there is none.
fn of_dist() -> Result<PathBuf> {
    if let Ok(swix) = device::newest_swix() {
        return Ok(swix);
    }
    eprintln!("there is no SWIX in dist/: it is built first");
    Xtask::parse_from(["cargo xtask", "build-swix"]).verb.run()?;
    device::newest_swix().context("there is still no SWIX in dist/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_leads_to_no_other_directory_than_its_own() {
        assert_eq!(prefix("first-1"), Ok("first-1".to_owned()));
        for bad in ["", ".", "..", "a/b", "-a", "a b"] {
            assert!(prefix(bad).is_err(), "{bad:?} is taken");
        }
    }
}
