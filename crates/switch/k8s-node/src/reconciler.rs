//! The small resident part of k8s-node: keeps firewall, sysctls, bridge, routes, mounts and units as the stages have made them. EOS sets
//! Linux' networking up again later in the boot, and whoever works at a switch can take away what a pod needs.
//!
//! A thread for each kind of thing looks and repairs, so that none waits for another one's programs. The first thread waits for the
//! kernel's word that something has changed, and wakes those that it concerns. What others undo again and again is left to them.

mod events;
mod keeper;
mod ledger;
mod notice;
mod pause;
mod view;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use common::files;
use contract::{
    Stage, places,
    status::{Kept, StageState},
};

use crate::{alerts, health, node_roles, record, switch::Switch};

use self::{
    keeper::Keeper,
    ledger::{Ledger, Patience},
    view::View,
};

pub use self::{
    ledger::recorded,
    pause::{pause, paused_until, resume},
};

/// How long something can be wrong where nothing tells that it has changed.
const LOOK: Duration = Duration::from_secs(30);

/// What all threads know.
struct Shared {
    view: Mutex<Arc<View>>,
    ledger: Mutex<Ledger>,
}

impl Shared {
    fn new(view: View, ledger: Ledger) -> Self {
        Shared { view: Mutex::new(Arc::new(view)), ledger: Mutex::new(ledger) }
    }

    fn view(&self) -> Arc<View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn see(&self, view: View) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the thread that keeps a kind of thing.
type Wakes = BTreeMap<Kept, SyncSender<()>>;

fn wake(wakes: &Wakes, kind: Kept) {
    if let Some(sender) = wakes.get(&kind) {
        // Where it is full, it is to be woken already.
        let _ = sender.try_send(());
    }
}

pub fn run() -> Result<()> {
    for directory in [places::RUN, places::STAGE_RECORDS] {
        files::create_dir(directory.as_ref())?;
    }
    let ledger = Ledger::read(places::RECONCILER_RECORD.into(), Patience::USUAL);
    let shared = Arc::new(Shared::new(View::now(&View::default()), ledger));
    let wakes = start(&shared, &Kept::ALL)?;
    thread::Builder::new().name("alerts".to_owned()).spawn(tell_eos).context("cannot start a thread")?;
    let shared_too = shared.clone();
    let labels = thread::Builder::new().name("node-roles".to_owned()).spawn(move || label_nodes(&shared_too));
    labels.context("cannot start a thread")?;
    println!("reconciler: keeps {}", Kept::ALL.map(Kept::name).join(", "));
    events::run(&shared, &wakes)
}

/// EOS' log is told how the node stands, paused or not.
fn tell_eos() {
    loop {
        thread::sleep(LOOK);
        // Where there is no cluster.toml that can be read, the stages say so.
        if let Ok(switch) = Switch::load() {
            alerts::look(&switch);
        }
    }
}

/// On the master: nodes that have come get their roles.
fn label_nodes(shared: &Shared) {
    let mut failure = None;
    loop {
        thread::sleep(LOOK);
        let Ok(switch) = Switch::load() else { continue };
        let is_up = switch.node.master && record::read(Stage::Rbac).state == StageState::Done;
        if !is_up || shared.view().paused_until.is_some() {
            continue;
        }
        let given = health::administrator().and_then(|client| node_roles::ensure(&client, &switch.cluster));
        match given {
            Ok(names) => {
                failure = None;
                names.iter().for_each(|name| println!("node-roles: {name} has its roles"));
            }
            // An API server that is away is told of elsewhere.
            Err(error) => {
                let why = format!("{error:#}");
                if failure.as_ref() != Some(&why) {
                    println!("node-roles: {why}");
                }
                failure = Some(why);
            }
        }
    }
}

/// A thread for each kind.
fn start(shared: &Arc<Shared>, kinds: &[Kept]) -> Result<Wakes> {
    let mut wakes = Wakes::new();
    for kind in kinds.iter().copied() {
        let (sender, receiver) = sync_channel(1);
        let keeper = Keeper::new(kind, shared.clone(), receiver);
        let thread = thread::Builder::new().name(kind.name().to_owned()).spawn(move || keeper.run());
        thread.context("cannot start a thread")?;
        wakes.insert(kind, sender);
        // For the first look.
        wake(&wakes, kind);
    }
    Ok(wakes)
}

#[cfg(test)]
mod tests;
