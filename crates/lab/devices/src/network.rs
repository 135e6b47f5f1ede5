//! Work in a device's network: on a thread that has moved into its namespace.

use anyhow::{Context, Result, bail};
use common::netns;

use super::Device;

impl Device<'_> {
    /// Works in the network of the device's container, on a thread of its own: what connects there comes from the
    /// device. Threads that the work starts are in it, too.
    pub fn in_network<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let Some(process) = self.process()? else { bail!("{} is off, and so has no network", self.name()) };
        inside(Some(process), work).with_context(|| format!("in {}'s network", self.name()))
    }
}

/// Works in a process' network namespace, or this machine's own, on a thread of its own.
pub(super) fn inside<T: Send>(process: Option<u32>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    netns::enter(&netns::of(process)?, work)?
}
