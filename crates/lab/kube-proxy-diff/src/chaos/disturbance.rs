//! What goes wrong, one thing at a time; all the while, objects change.

use std::{
    fmt,
    fs::File,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

use super::{Stage, rules, state};
use crate::{objects::ObjectChange, world::BackendMode};

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disturbance {
    /// The API server is killed, and comes back.
    ApiServerKilled,
    /// It cannot be reached for a while.
    ApiServerUnreachable,
    /// Every connection to it is cut, every second.
    WatchesCut,
    /// Somebody holds the lock on the rules, for a second at a time.
    LockHeld,
    /// Somebody removes rules.
    RulesRemoved,
    /// An endpoint comes and goes, 50 times a second.
    EndpointFlapping,
    /// The kube-proxy is killed, and started again.
    Killed,
}

/// How often an endpoint comes or goes.
pub(super) const FLAP: Duration = Duration::from_millis(20);
const FLAPS: u32 = 150;

impl Disturbance {
    pub const ALL: [Disturbance; 7] = [
        Disturbance::WatchesCut,
        Disturbance::EndpointFlapping,
        Disturbance::RulesRemoved,
        Disturbance::LockHeld,
        Disturbance::Killed,
        Disturbance::ApiServerUnreachable,
        Disturbance::ApiServerKilled,
    ];

    /// Does it, and returns when it was over.
    pub(super) fn execute(self, stage: &mut Stage<'_>) -> Result<Instant> {
        match self {
            Disturbance::ApiServerKilled => {
                stage.api.kill_server();
                unmoved(stage)?;
                stage.api.restart_server(stage.programs)?;
            }
            Disturbance::ApiServerUnreachable => {
                stage.relay.refuse(true);
                stage.change()?;
                unmoved(stage)?;
                stage.relay.refuse(false);
            }
            Disturbance::WatchesCut => {
                for _ in 0..4 {
                    stage.relay.cut();
                    stage.change()?;
                    thread::sleep(Duration::from_secs(1));
                }
                stage.relay.cut();
            }
            Disturbance::LockHeld => {
                for _ in 0..3 {
                    hold_lock(stage)?;
                    thread::sleep(Duration::from_millis(50));
                }
            }
            Disturbance::RulesRemoved => remove_rules(stage)?,
            Disturbance::EndpointFlapping => return flap(stage),
            Disturbance::Killed => {
                stage.change()?;
                thread::sleep(Duration::from_millis(stage.random.u64(..60)));
                stage.world.proxy()?.kill();
                stage.change()?;
                stage.start_proxy()?;
            }
        }
        let over = Instant::now();
        stage.change()?;
        Ok(over)
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Disturbance::ApiServerKilled => "API server killed",
            Disturbance::ApiServerUnreachable => "API server unreachable",
            Disturbance::WatchesCut => "watches cut",
            Disturbance::LockHeld => "iptables lock held",
            Disturbance::RulesRemoved => "rules removed",
            Disturbance::EndpointFlapping => "endpoint flapping",
            Disturbance::Killed => "kube-proxy killed",
        })
    }
}

/// While nobody can be asked, the rules stay.
fn unmoved(stage: &mut Stage<'_>) -> Result<()> {
    let before = stage.world.iptables_save()?;
    thread::sleep(Duration::from_millis(1500 + stage.random.u64(..1500)));
    let moved = rules::differences(&before, &stage.world.iptables_save()?);
    if !moved.is_empty() {
        bail!("without an API server, the rules changed: {}", moved.join("\n"));
    }
    Ok(())
}

fn hold_lock(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.xtables_lock();
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.with_context(|| format!("cannot open {}", path.display()))?;
    flock(&lock, FlockOperation::LockExclusive).context("cannot lock")?;
    stage.change()?;
    thread::sleep(Duration::from_secs(1));
    Ok(())
}

fn remove_rules(stage: &mut Stage<'_>) -> Result<()> {
    let (command, chains_of): (&[&str], _) = match stage.random.u8(..5) {
        0 => (&["-t", "nat", "-F"], Some("nat")),
        1 => (&["-t", "filter", "-F"], Some("filter")),
        2 => (&["-t", "nat", "-F", "PREROUTING"], None),
        3 => (&["-t", "nat", "-F", "OUTPUT"], None),
        _ => match stage.mode {
            BackendMode::Iptables => (&["-t", "nat", "-F", "KUBE-SERVICES"], None),
            BackendMode::Userspace => (&["-t", "nat", "-F", "KUBE-PORTALS-HOST"], None),
        },
    };
    stage.world.run_on_node("iptables", &[&["-w"], command].concat())?;
    if let Some(table) = chains_of {
        // Where the kube-proxy was faster, chains lead to each other again, and cannot be removed.
        let _ = stage.world.run_on_node("iptables", &["-w", "-t", table, "-X"]);
    }
    Ok(())
}

fn flap(stage: &mut Stage<'_>) -> Result<Instant> {
    let began = Instant::now();
    let api = &stage.api;
    api.with_client(|client| {
        for (flaps, due) in (1..=FLAPS).map(|flap| (flap, began + FLAP * flap)) {
            client.apply([&ObjectChange::Put(state::steady_endpoints(flaps % 2 == 0))])?;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    })?;
    let took = began.elapsed();
    if took > FLAP * FLAPS * 4 {
        bail!("the API server took {FLAPS} changes in {took:?}, which is too slow to say anything about flapping");
    }
    stage.changes += u64::from(FLAPS);
    Ok(Instant::now())
}
