//! A pod on every worker, and every pod and every switch reaches every other pod.

use std::{collections::BTreeSet, time::Duration};

use crate::workload::{self, Pod};
use anyhow::{Result, anyhow, ensure};

use crate::Scene;

const READY: Duration = Duration::from_secs(120);
/// How often a pod asks another. A single lost packet of these costs one of them a second, and probe fails.
const QUESTIONS: usize = 20;
/// From a node's readiness until the routes of the others lead to its pods.
const REACHED: Duration = Duration::from_secs(60);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    let pods = scene.step("run a pod on every worker", |scene| on_every_worker(scene))?;
    scene.step("every switch asks every pod", |scene| {
        for switch in scene.switches()? {
            for pod in &pods {
                let what = format!("{} is answered by {}", switch.name(), pod.name);
                scene.eventually(&what, REACHED, || workload::ask(&switch, pod))?;
            }
        }
        Ok(())
    })?;
    scene.step(format!("every pod asks every other {QUESTIONS} times, and each answer comes at once"), |_| {
        for pod in &pods {
            for other in pods.iter().filter(|other| other.name != pod.name) {
                let (address, times) = (format!("{}:{}", other.address, workload::PORT), QUESTIONS.to_string());
                let answers = master.kubectl(&["exec", &pod.name, "--", "/test-pod", "ask", &address, &times])?;
                let right = answers.lines().filter(|answer| *answer == other.name).count();
                ensure!(
                    right == QUESTIONS,
                    "{} asked {} {QUESTIONS} times, and these answered: {answers:?}",
                    pod.name,
                    other.name
                );
            }
        }
        Ok(())
    })?;
    scene.step("take the pods away", |_| workload::stop(&master))
}

/// Has new pods made, and waits until one is ready on every worker.
pub(super) fn on_every_worker(scene: &Scene<'_>) -> Result<Vec<Pod>> {
    let master = scene.master()?;
    workload::start(&master)?;
    scene
        .eventually("a pod is ready on every worker", READY, || {
            let pods = workload::ready_pods(&master)?;
            let nodes: BTreeSet<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
            ensure!(nodes.len() == scene.worker_nodes().len(), "there are pods on {nodes:?}");
            Ok(pods)
        })
        .map_err(|error| anyhow!("{error:#}\n{}", workload::story(&master)))
}
