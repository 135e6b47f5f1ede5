//! Rounds in which every Ready node's kubelet is asked, several beside each other.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::health::Health;
use crate::kubelet::Kubelets;
use crate::store::Shared;
use crate::usage::ROUND;

/// Kubelets that are asked beside each other.
const AT_ONCE: usize = 8;

/// How often is looked at whether there is something to ask for.
const TICK: Duration = Duration::from_millis(500);

/// Asks for ever, while the metrics are ours to give.
pub async fn run(kubelets: Arc<Kubelets>, shared: Arc<Shared>, health: Arc<Health>) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = BTreeMap::new();
    loop {
        while health.is_off() || !shared.read(|state| state.is_known()) {
            sleep(TICK).await;
        }
        rounds.tick().await;
        shared.change(|state| state.forget_old(Instant::now()));
        let nodes = shared.read(|state| state.to_ask());
        let failed = round(&kubelets, &shared, nodes).await;
        tell(&silent, &failed);
        health.set_silent(failed.keys().cloned().collect());
        silent = failed;
    }
}

/// Who has not answered, and why.
async fn round(
    kubelets: &Arc<Kubelets>,
    shared: &Arc<Shared>,
    nodes: Vec<(String, IpAddr)>,
) -> BTreeMap<String, String> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    for (name, address) in nodes {
        let (kubelets, shared, turns) = (kubelets.clone(), shared.clone(), turns.clone());
        asked.spawn(async move {
            let _turn = turns.acquire_owned().await;
            match kubelets.ask(address).await {
                Ok(readings) => {
                    shared.change(|state| state.set_readings(&name, readings, Instant::now()));
                    None
                }
                Err(error) => Some((name, format!("{error:#}"))),
            }
        });
    }
    let mut failed = BTreeMap::new();
    while let Some(one) = asked.join_next().await {
        failed.extend(one.ok().flatten());
    }
    failed
}

/// A line when a node falls silent, and one when it is heard again.
fn tell(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) {
    for (node, why) in now.iter().filter(|(node, _)| !before.contains_key(*node)) {
        tracing::warn!("what {node} uses is not known: {why}");
    }
    for node in before.keys().filter(|node| !now.contains_key(*node)) {
        tracing::info!("{node} is not silent any more");
    }
}
