//! A pod on every worker, and every pod and every switch reaches every other pod.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use anyhow::{Result, anyhow, ensure};

use crate::{
    Scene, asking,
    workload::{self, Pod},
};

/// From a node's readiness until its pods run and are reached.
const REACHED: Duration = Duration::from_secs(120);
/// How often a pod asks another. A single lost packet of these costs one of them a second, and probe fails.
const QUESTIONS: usize = 20;

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("run a pod on every worker", |scene| on_every_worker(scene))?;
    scene.step("every switch is answered by every pod, and every pod by every other", |scene| all_reached(scene))?;
    scene.step(format!("every pod asks every other {QUESTIONS} times, and each answer comes at once"), |scene| {
        meet(scene, QUESTIONS)
    })
}

/// Has pods made where they are not there, and waits until one is ready on every worker.
pub(super) fn on_every_worker(scene: &Scene<'_>) -> Result<Vec<Pod>> {
    workload::start(&scene.master()?)?;
    eventually(scene, "a pod is ready on every worker", || on_each_worker(scene, workload::NAME))
}

/// Waits until the pods on all workers reach each other. Those of a switch that was rebooted have other addresses.
pub(super) fn all_reached(scene: &Scene<'_>) -> Result<()> {
    eventually(scene, "there is a pod on every worker, and all reach each other", || meet(scene, 1))
}

/// With what the cluster says of its pods where they do not come.
fn eventually<T>(scene: &Scene<'_>, what: &str, attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let told = |error| scene.master().map(|master| anyhow!("{error:#}\n{}", workload::story(&master)));
    scene.eventually(what, REACHED, attempt).map_err(|error| told(error).unwrap_or_else(|lost| lost))
}

/// The pods of an app, of which there has to be one that is ready on every worker.
pub(super) fn on_each_worker(scene: &Scene<'_>, app: &str) -> Result<Vec<Pod>> {
    let pods = workload::ready_pods(&scene.master()?, app)?;
    let nodes: BTreeSet<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
    ensure!(nodes.len() == scene.worker_nodes().len(), "there are pods on {nodes:?}");
    Ok(pods)
}

/// Every switch asks every pod, and every pod asks all of them, itself too, so many times.
fn meet(scene: &Scene<'_>, times: usize) -> Result<()> {
    let (master, pods) = (scene.master()?, on_each_worker(scene, workload::NAME)?);
    let addresses: Vec<SocketAddr> = pods.iter().map(|pod| (pod.address, workload::PORT).into()).collect();
    for switch in scene.switches()? {
        let answers = asking::from_switch(&switch, &addresses)?;
        let right = answers.iter().eq(pods.iter().map(|pod| &pod.name));
        ensure!(right, "{} asked {pods:?}, and these answered: {answers:?}", switch.name());
    }
    let asked_times = times.to_string();
    for pod in &pods {
        for other in &pods {
            let address = SocketAddr::from((other.address, workload::PORT)).to_string();
            let answers = master.kubectl(&["exec", &pod.name, "--", "/test-pod", "ask", &address, &asked_times])?;
            let right = answers.lines().filter(|answer| *answer == other.name).count();
            let (pod, other) = (&pod.name, &other.name);
            ensure!(right == times, "{pod} asked {other} {times} times, and these answered: {answers:?}");
        }
    }
    Ok(())
}
