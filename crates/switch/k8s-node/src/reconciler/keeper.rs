//! One kind of thing: looked at when something has changed or may have, and repaired.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use contract::status::Kept;

use super::{LOOK, Shared, notice, view::View};
use crate::desired::{self, Desired};

/// Where a look costs a system call or two.
const GLANCE: Duration = Duration::from_secs(1);

/// What is replaced is away for a moment: an image by an upgrade, a service by its restart.
const SETTLED: Duration = Duration::from_secs(1);

pub struct Keeper {
    kind: Kept,
    shared: Arc<Shared>,
    woken: Receiver<()>,
    view: Option<Arc<View>>,
    desired: Vec<Box<dyn Desired>>,
    looked: Option<Instant>,
    /// What went wrong last, told once.
    failure: Option<String>,
}

impl Keeper {
    pub fn new(kind: Kept, shared: Arc<Shared>, woken: Receiver<()>) -> Self {
        Keeper { kind, shared, woken, view: None, desired: Vec::new(), looked: None, failure: None }
    }

    /// Until nobody is there any more to wake it.
    pub fn run(mut self) {
        loop {
            let woken = match self.woken.recv_timeout(self.pause()) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let view = self.shared.view();
            if view.paused_until.is_none() {
                let failure = self.look(view, woken).err().map(|error| format!("{error:#}"));
                if let Some(why) = failure.as_ref().filter(|why| Some(*why) != self.failure.as_ref()) {
                    println!("{}: {why}", self.kind);
                }
                self.failure = failure;
            }
        }
    }

    fn pause(&self) -> Duration {
        match self.kind {
            Kept::Firewall | Kept::Sysctls => GLANCE,
            _ if self.failure.is_some() => LOOK / 6,
            _ => LOOK,
        }
    }

    fn look(&mut self, view: Arc<View>, woken: bool) -> Result<()> {
        let is_known = self.view.as_ref().is_some_and(|known| Arc::ptr_eq(known, &view));
        if !is_known {
            self.desired = view.desired(self.kind)?;
            self.view = Some(view);
        }
        let due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        let must = !is_known || woken || due || self.failure.is_some();
        let mut outcome = Ok(());
        for desired in &mut self.desired {
            if must || desired.may_have_changed() {
                outcome = common::errors::both(outcome, keep(self.kind, &self.shared, desired.as_mut()));
            }
        }
        if must {
            self.looked = Some(Instant::now());
        }
        outcome
    }
}

fn keep(kind: Kept, shared: &Shared, desired: &mut dyn Desired) -> Result<()> {
    if desired.wrong()?.is_empty() {
        return Ok(());
    }
    if matches!(kind, Kept::Mounts | Kept::Units) {
        thread::sleep(SETTLED);
    }
    // A stage may be at the same.
    let _turn = desired::turn(kind)?;
    let (usual, wrong): (Vec<_>, Vec<_>) = desired.wrong()?.into_iter().partition(|thing| desired.is_usual(thing));
    if !usual.is_empty() {
        println!("reconciler: {kind}: {} put right again", usual.join(", "));
        desired.repair(&usual)?;
    }
    let judged = shared.ledger().judge(kind, wrong, Instant::now());
    for thing in judged.given_up {
        notice::given_up(kind, &thing);
    }
    if judged.repair.is_empty() {
        return Ok(());
    }
    desired.repair(&judged.repair)?;
    shared.ledger().repaired(kind, &judged.repair, Instant::now());
    notice::repaired(kind, &judged.repair);
    Ok(())
}
