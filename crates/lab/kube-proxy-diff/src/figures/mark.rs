//! When the node's tables changed: asked of the kernel every millisecond, without reading the tables.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use common::xtables::{Family, Variant, Watch};

use crate::{netns::Netns, world::IptablesVariant};

const EACH: Duration = Duration::from_millis(1);

/// Watches the tables of one namespace until it is dropped.
pub struct Changes {
    seen: Arc<Mutex<Vec<Instant>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Changes {
    /// Changes from now on.
    pub fn watch(netns: &Netns, iptables: IptablesVariant) -> Result<Changes> {
        let watch = netns.enter(|| open(iptables))?.context("cannot ask the kernel about its tables")?;
        let mut before = watch.generation_of(&["nat"]).context("the kernel does not tell about its tables")?;
        let (seen, stop) = (Arc::new(Mutex::new(vec![])), Arc::new(AtomicBool::new(false)));
        let (tell, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let look = move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(now) = watch.generation_of(&["nat"])
                    && now != before
                {
                    before = now;
                    tell.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                }
                thread::sleep(EACH);
            }
        };
        let thread = thread::Builder::new().name("tables".to_owned()).spawn(look)?;
        Ok(Changes { seen, stop, thread: Some(thread) })
    }

    /// When they changed last, and how often they have.
    pub fn last(&self) -> Option<(Instant, usize)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Some((*seen.last()?, seen.len()))
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic; and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

fn open(iptables: IptablesVariant) -> io::Result<Watch> {
    let variant = match iptables {
        IptablesVariant::Legacy => Variant::Legacy,
        IptablesVariant::Nft => Variant::Nft,
    };
    Watch::new(variant, Family::V4)
}
