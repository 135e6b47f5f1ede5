//! A Deployment from an image that was built here: pods on every worker, their logs, commands in them, a port forwarded.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::pods;
use crate::{Scene, manifest, operator::Operator, workload};

const NAME: &str = "spread";
const LIMIT: Duration = Duration::from_secs(90);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    let workers = scene.worker_nodes().len();
    let pods = scene.step(format!("a Deployment of {workers} has a pod on every worker"), |scene| {
        manifest::apply(&master, NAME, &[workload::deployment(NAME, workers)])?;
        scene.eventually("its pods are ready", LIMIT, || pods::on_each_worker(scene, NAME))
    })?;
    let operator = Operator::of(scene)?;
    scene.step("an operator reads every pod's logs, and runs a command in it", |_| {
        for pod in pods.iter().map(|pod| &pod.name) {
            let logs = operator.kubectl(&["logs", pod])?;
            ensure!(logs.starts_with("serving on port 8080\n"), "{pod} has other logs: {logs}");
            let asked = operator.kubectl(&["exec", pod, "--", "/test-pod", "ask", "127.0.0.1:8080"])?;
            ensure!(asked.trim() == *pod, "in {pod}, {asked} answered");
        }
        Ok(())
    })?;
    scene.step("every pod answers an operator over a forwarded port", |_| {
        for pod in pods.iter().map(|pod| &pod.name) {
            let answer = operator.ask_by_port_forward(pod, 8080)?;
            ensure!(answer.trim() == *pod, "{answer} answered in {pod}'s place");
        }
        Ok(())
    })
}
