//! A worker's hardware dies, and another switch takes its name and place, once the operator has said so on the master.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use cluster::Node;
use contract::places::{BIN, PKI};

use crate::{
    Scene, Switch,
    answering::{self, ANY_POD, Answers},
    scene::BRING_UP,
    timing::power_on_to_ready,
};

/// How long questions have to be answered without a failure before the dead worker counts as out of the way.
const QUIET: Duration = Duration::from_secs(5);

/// The route to a switch goes with the cable to it. By the API server it would be 40 s.
const BY_ROUTES: Duration = Duration::from_secs(10);

/// The controller manager waits 40 s for a node before it gives it up.
const GIVEN_UP: Duration = Duration::from_secs(150);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    answering::outlived(scene, replaced)
}

fn replaced(scene: &mut Scene<'_>) -> Result<()> {
    let mut workers = scene.workers_beside_master()?;
    let worker = workers.pop().context("cluster.toml has no worker beside the master")?;
    let nodes = scene.worker_nodes();
    let others = nodes.iter().map(|node| node.name.as_str()).filter(|name| *name != worker.name());
    let questions = answering::questions(scene, others, &[ANY_POD])?;
    let death = scene.step(format!("cut {}'s power, and ask until all is answered", worker.name()), |scene| {
        answering::while_asked(scene, &questions, |scene, answers| death_of(scene, &worker, answers))
    })?;
    let Death { took, failed, left_out } = death;
    let how = format!("from the power cut to the last of {failed} questions at other switches that had no answer");
    scene.figure("convergence after a worker's death", took.as_secs_f64(), "s", &how);
    if let Some(left_out) = left_out {
        let how = "from the power cut until no other switch's rules lead to its pods, which the API server still has";
        scene.figure("a dead worker's pods out of the rules", left_out.as_secs_f64(), "s", how);
    }

    let command = scene.step(
        format!(
            "another {} comes up with an empty flash, cluster.toml and the SWIX, and says what to do",
            worker.name()
        ),
        |scene| {
            worker.replace(&scene.parts.flash()?)?;
            scene.eventually("its status has a command for the master", BRING_UP, || admission(&worker))
        },
    )?;
    scene.step("it has the name and the token, and no certificate of the dead one's name", |_| {
        let certificates = worker.sh(&format!("find {PKI} -name '*.pem' ! -name '*-key.pem'"))?;
        ensure!(certificates.is_empty(), "it has been given {certificates}");
        Ok(())
    })?;
    scene.step(format!("say `{command}` on the master"), |scene| {
        let said = scene.master()?.sh(&format!("PATH={BIN}:$PATH {command}"))?;
        ensure!(said.contains("may enrol once"), "it says {said}");
        Ok(())
    })?;
    scene.step(format!("{} is ready", worker.name()), |_| worker.wait_until_ready(BRING_UP).map(drop))?;
    scene.figure(
        "a worker's replacement",
        power_on_to_ready(&[worker])?.as_secs_f64(),
        "s",
        "from power-on with an empty flash until it says that it is ready, with the operator's word on the master between",
    );
    scene.step("every worker is Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))
}

/// What a power cut did to a Service.
struct Death {
    /// How long after it the last question was asked that had no answer.
    took: Duration,
    failed: usize,
    /// How long after it no rules led to the dead pods any more, where kube-proxy follows routes.
    left_out: Option<Duration>,
}

fn death_of(scene: &Scene<'_>, worker: &Switch<'_>, answers: &Answers) -> Result<Death> {
    scene.pause(Duration::from_secs(1))?;
    answers.none_failed(|_| true).context("before the power cut")?;
    let others: Vec<Switch<'_>> = scene.workers()?.into_iter().filter(|other| other.name() != worker.name()).collect();
    let node = scene.worker_nodes().into_iter().find(|node| node.name == worker.name()).context("it is no worker")?;
    for other in &others {
        ensure!(leads_to(other, node)? > 0, "before the power cut no rule of {} leads to a pod of it", other.name());
    }
    let began = Instant::now();
    worker.cut_power()?;
    let left_out = if scene.cluster.kube_proxy.follows_routes() {
        scene.eventually("no other switch's rules lead to its pods", BY_ROUTES, || {
            others.iter().try_for_each(|other| match leads_to(other, node)? {
                0 => Ok(()),
                rules => bail!("{rules} rules of {} do", other.name()),
            })
        })?;
        let took = began.elapsed();
        let known = scene.master()?.kubectl(&["get", "pods", "--all-namespaces", "--output=wide"])?;
        ensure!(
            known.contains(worker.name()),
            "the API server has given its pods up already, so that nothing is shown"
        );
        Some(took)
    } else {
        None
    };
    let what = format!("no question has been without an answer for {} s", QUIET.as_secs());
    scene.eventually(&what, GIVEN_UP, || match answers.failed() {
        (0, _) if left_out.is_none() => {
            bail!("none has been without an answer at all, although a third of the pods is gone")
        }
        (0, _) if began.elapsed() > QUIET => Ok(Death { took: Duration::ZERO, failed: 0, left_out }),
        (failed, Some(last)) if last.elapsed() > QUIET => {
            Ok(Death { took: last.saturating_duration_since(began), failed, left_out })
        }
        (failed, _) => bail!("{failed} questions have had no answer"),
    })
}

/// How many of a switch's rules translate to an address of that node's pods.
fn leads_to(switch: &Switch<'_>, node: &Node) -> Result<usize> {
    let rules = switch.sh("iptables-save -t nat")?;
    let destination = |rule: &str| -> Option<Ipv4Addr> {
        rule.split_once("--to-destination ")?.1.split([':', ' ']).next()?.parse().ok()
    };
    Ok(rules.lines().filter_map(destination).filter(|address| node.pod_cidr.contains(address)).count())
}

/// What the switch asks its operator to say on the master, as its status has it for a person.
fn admission(worker: &Switch<'_>) -> Result<String> {
    let problems = worker.status()?.problems;
    let commands = problems.iter().flat_map(|problem| problem.split('`'));
    let command = commands.map(str::to_owned).find(|text| text.starts_with("k8s-node admit "));
    command.with_context(|| format!("its problems are {problems:?}"))
}
