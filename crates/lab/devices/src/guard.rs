//! A lab that is taken away however the work on it ends.

use std::{collections::BTreeMap, ops::Deref};

use anyhow::Result;
use common::Progress;
use devices::{Flash, Lab, Options};
use topology::Topology;

pub struct LabGuard {
    lab: Option<Lab>,
}

impl LabGuard {
    /// Powers everything on, with `flash` on each switch, and waits for nothing.
    pub fn up(topology: &Topology, flash: &Flash, options: &Options, progress: &dyn Progress) -> Result<LabGuard> {
        let flash: BTreeMap<_, _> = topology.switches().map(|node| (node.name.clone(), flash.clone())).collect();
        Ok(LabGuard { lab: Some(Lab::up_with(topology, &flash, options, progress)?) })
    }

    pub fn down(mut self) -> Result<()> {
        self.lab.take().map_or(Ok(()), Lab::down)
    }

    /// Leaves it up.
    pub fn keep(mut self) {
        self.lab.take();
    }
}

impl Deref for LabGuard {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.lab.as_ref().expect("the lab is there until it is taken down or left, which consumes this")
    }
}

impl Drop for LabGuard {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            // What stays is taken away by whoever brings up this prefix next.
            let _ = lab.down();
        }
    }
}
