//! Work in a device's network: on a thread that has moved into its namespace.

use std::{fs::File, os::fd::AsFd, thread};

use anyhow::{Context, Result, anyhow, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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
    let on_thread = || -> Result<T> {
        if let Some(process) = process {
            let path = format!("/proc/{process}/ns/net");
            let namespace = File::open(&path).with_context(|| format!("cannot open {path}: has the device ended?"))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .context("cannot enter the device's network namespace; this needs root")?;
        }
        work()
    };
    let ended = thread::scope(|scope| scope.spawn(on_thread).join());
    ended.map_err(|_| anyhow!("what was done in a network namespace panicked"))?
}
