//! Who makes the containers, networks and cables.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use common::command::find_on_path;

use super::{DeviceAccess, Traits, images::StandIns};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Driver {
    /// This crate.
    #[default]
    BuiltIn,
    /// The program itself.
    DockerTopo(PathBuf),
}

/// How a lab is brought up.
#[derive(Debug, Clone)]
pub struct Options {
    pub driver: Driver,
    pub access: DeviceAccess,
    /// The images that this run has made.
    pub stand_ins: StandIns,
    /// What the stand-ins are to be otherwise than their image says.
    pub traits: Traits,
    /// Asked between two devices; bringing it up fails once this says so, and what was made is taken away.
    pub interrupted: fn() -> bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            driver: Driver::default(),
            access: DeviceAccess::default(),
            stand_ins: StandIns::default(),
            traits: Traits::default(),
            interrupted: || false,
        }
    }
}

/// Where it is told how to get docker-topo.
const HINT: &str = "`cargo xtask doctor` says how to get it";

impl Driver {
    /// As a report names it.
    pub fn name(&self) -> &'static str {
        match self {
            Driver::BuiltIn => "built-in",
            Driver::DockerTopo(_) => "docker-topo",
        }
    }

    /// docker-topo where it is on PATH, else the built-in driver.
    pub fn automatic() -> Driver {
        find_on_path("docker-topo").map_or(Driver::BuiltIn, Driver::DockerTopo)
    }

    /// docker-topo at that path, or on PATH.
    pub fn docker_topo(path: Option<PathBuf>) -> Result<Driver> {
        let found = path.or_else(|| find_on_path("docker-topo"));
        let found = found.ok_or_else(|| anyhow::anyhow!("there is no docker-topo on PATH; {HINT}"))?;
        ensure!(found.is_file(), "there is no docker-topo at {}; {HINT}", found.display());
        Ok(Driver::DockerTopo(std::path::absolute(found)?))
    }
}
