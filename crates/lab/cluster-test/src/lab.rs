//! A lab whose switches have all on their flash that makes nodes of them.

use std::{
    collections::BTreeMap,
    ops::Deref,
    path::{Path, PathBuf},
};

use anyhow::Result;
use common::Progress;
use devices::{Flash, Lab};
use topology::Topology;

use crate::Switch;

/// Which of the repository's topologies, with its cluster.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabSize {
    OneSwitch,
    ThreeSwitches,
}

/// A lab that is taken away when this is dropped.
pub struct NodeLab {
    lab: Option<Lab>,
}

/// The parts that labs are brought up from.
#[derive(Debug, Clone)]
pub struct LabParts {
    /// The repository's directory.
    pub repository: PathBuf,
    pub swix: PathBuf,
}

impl LabParts {
    /// `dist` is the directory that `cargo xtask build-swix` publishes into; its newest SWIX is taken.
    pub fn of_dist(repository: &Path, dist: &Path) -> Result<LabParts> {
        Ok(LabParts { repository: repository.to_owned(), swix: swix::dist::newest_swix(dist)? })
    }

    /// What an operator puts on every switch's flash: cluster.toml, and the SWIX as a boot extension.
    pub fn flash(&self, size: LabSize) -> Result<Flash> {
        let file = self.repository.join("topo").join(size.cluster());
        Ok(Flash::new().with_boot_extension(&self.swix)?.with_file("cluster.toml", file))
    }
}

impl LabSize {
    fn topology(self) -> &'static str {
        match self {
            LabSize::OneSwitch => "one.yml",
            LabSize::ThreeSwitches => "k8s.yml",
        }
    }

    fn cluster(self) -> &'static str {
        match self {
            LabSize::OneSwitch => "cluster-one.toml",
            LabSize::ThreeSwitches => "cluster.toml",
        }
    }
}

impl NodeLab {
    /// Powers everything on, with `flash` on each switch, and waits for nothing. `prefix` keeps the lab apart
    /// from others; what an earlier run left under it is taken away.
    pub fn up(
        repository: &Path,
        size: LabSize,
        prefix: &str,
        flash: &Flash,
        progress: &dyn Progress,
    ) -> Result<NodeLab> {
        let file = repository.join("topo").join(size.topology());
        let topology = Topology::load(&file)?.under_prefix(prefix);
        Lab::ensure_down(&topology)?;
        let flash: BTreeMap<_, _> = topology.switches().map(|node| (node.name.clone(), flash.clone())).collect();
        Ok(NodeLab { lab: Some(Lab::up(&topology, &flash, progress)?) })
    }

    pub fn switch(&self, name: &str) -> Result<Switch<'_>> {
        Ok(Switch(self.device(name)?))
    }

    pub fn switches(&self) -> Result<Vec<Switch<'_>>> {
        self.topology().switches().map(|node| self.switch(&node.name)).collect()
    }

    pub fn down(mut self) -> Result<()> {
        self.lab.take().map_or(Ok(()), Lab::down)
    }
}

impl Deref for NodeLab {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.lab.as_ref().expect("the lab is there until it is taken down, which consumes this")
    }
}

impl Drop for NodeLab {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            // What stays is taken away by the next lab of this prefix.
            let _ = lab.down();
        }
    }
}
