//! A Deployment from an image that was built here: pods on every worker, their logs, commands in them, a port forwarded, what they use.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::pods;
use crate::{Scene, Switch, manifest, operator::Operator, workload};

const NAME: &str = "spread";
const LIMIT: Duration = Duration::from_secs(90);

/// kubelets are asked every half a minute, and look themselves every ten seconds.
const MEASURED: Duration = Duration::from_secs(120);

/// What the metrics server may have resident, in KiB.
const MEMORY: u64 = 16 * 1024;

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
    })?;
    let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    scene.step("kubectl top says what every node and every pod uses", |scene| {
        let nodes: Vec<&str> = scene.worker_nodes().iter().map(|node| node.name.as_str()).collect();
        scene.eventually("they are measured", MEASURED, || {
            are_measured(&operator.kubectl(&["top", "nodes", "--no-headers"])?, 0, &nodes)?;
            are_measured(&operator.kubectl(&["top", "pods", "--all-namespaces", "--no-headers"])?, 1, &names)
        })?;
        let selected = operator.kubectl(&["top", "pods", "--selector=nobody=here", "--no-headers"])?;
        ensure!(names.iter().all(|pod| !selected.contains(pod)), "a selector of nobody chooses {selected}");
        memory_is_bounded(&master)
    })
}

/// Whether `kubectl top` has a line of figures for each of these, whose name is so many words behind the line's beginning.
fn are_measured(printed: &str, at: usize, names: &[&str]) -> Result<()> {
    for name in names {
        let line = printed.lines().find(|line| line.split_whitespace().nth(at) == Some(name));
        let line = line.with_context(|| format!("{name} is not there: {printed}"))?;
        let figures: Vec<&str> = line.split_whitespace().skip(at + 1).collect();
        let is_measured = figures.first().is_some_and(|cpu| cpu.ends_with('m'))
            && figures.iter().any(|memory| memory.ends_with("Mi"))
            && !line.contains("<unknown>");
        ensure!(is_measured, "{name} has no figures: {line}");
    }
    Ok(())
}

fn memory_is_bounded(master: &Switch<'_>) -> Result<()> {
    let ask = "pid=$(systemctl show --property=MainPID metrics-server.service); sed -n 's/^VmRSS:[[:space:]]*\\([0-9]*\\) kB/\\1/p' /proc/${pid#*=}/status";
    let printed = master.sh(ask)?;
    let kib: u64 = printed.trim().parse().with_context(|| format!("its memory is told as {printed:?}"))?;
    ensure!(kib <= MEMORY, "metrics-server has {kib} KiB resident, and may have {MEMORY}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_figures_count() {
        let nodes = "veos-b    251m   12%   1203Mi   31%\nveos-l1   <unknown>   <unknown>   <unknown>   <unknown>\n";
        are_measured(nodes, 0, &["veos-b"]).unwrap();
        assert!(are_measured(nodes, 0, &["veos-l1"]).unwrap_err().to_string().contains("no figures"));
        assert!(are_measured(nodes, 0, &["veos-l2"]).unwrap_err().to_string().contains("not there"));
        are_measured("default   spread-1   0m   1Mi\n", 1, &["spread-1"]).unwrap();
    }
}
