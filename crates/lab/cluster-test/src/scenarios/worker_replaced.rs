//! A worker's hardware dies, and another switch takes its name and place, once the operator has said so on the master.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contract::places::{BIN, PKI};

use crate::{
    Scene, Switch,
    answering::{self, ANY_POD, Answers},
    scene::BRING_UP,
    timing::power_on_to_ready,
};

/// How long questions have to be answered without a failure before the dead worker counts as out of the way.
const QUIET: Duration = Duration::from_secs(5);

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
    let (took, failed) = scene
        .step(format!("cut {}'s power, and ask until all is answered", worker.name()), |scene| {
            answering::while_asked(scene, &questions, |scene, answers| death_of(scene, &worker, answers))
        })?;
    let how = format!("from the power cut to the last of {failed} questions at other switches that had no answer");
    scene.figure("convergence after a worker's death", took.as_secs_f64(), "s", &how);

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

/// How long after the power cut the last question was asked that had no answer, and how many had none.
fn death_of(scene: &Scene<'_>, worker: &Switch<'_>, answers: &Answers) -> Result<(Duration, usize)> {
    scene.pause(Duration::from_secs(1))?;
    answers.none_failed(|_| true).context("before the power cut")?;
    let began = Instant::now();
    worker.cut_power()?;
    let what = format!("no question has been without an answer for {} s", QUIET.as_secs());
    scene.eventually(&what, GIVEN_UP, || match answers.failed() {
        (0, _) => bail!("none has been without an answer at all, although a third of the pods is gone"),
        (failed, Some(last)) if last.elapsed() > QUIET => Ok((last.saturating_duration_since(began), failed)),
        (failed, _) => bail!("{failed} questions have had no answer"),
    })
}

/// What the switch asks its operator to say on the master, as its status has it for a person.
fn admission(worker: &Switch<'_>) -> Result<String> {
    let problems = worker.status()?.problems;
    let commands = problems.iter().flat_map(|problem| problem.split('`'));
    let command = commands.map(str::to_owned).find(|text| text.starts_with("k8s-node admit "));
    command.with_context(|| format!("its problems are {problems:?}"))
}
