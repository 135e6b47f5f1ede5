//! The control plane is away for minutes, and the workers go on without it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::errors;

use super::{pods, routing};
use crate::{
    Scene, Switch,
    answering::{self, ANY_POD, Answer, Answers, OWN_POD},
    neighbours,
    scene::BRING_UP,
    workload,
};

/// How long the cable is cut.
const CUT: Duration = Duration::from_secs(10);

/// How long after its end OSPF's new routes may be in the making where another path was taken meanwhile.
const RETURNED: Duration = Duration::from_secs(2);

/// How long a service may take to come back.
const RESTARTED: Duration = Duration::from_secs(30);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    answering::outlived(scene, away)
}

fn away(scene: &mut Scene<'_>) -> Result<()> {
    let workers = scene.workers_beside_master()?;
    let questions = answering::questions(scene, workers.iter().map(|worker| worker.name()), &[ANY_POD, OWN_POD])?;
    answering::while_asked(scene, &questions, |scene, answers| {
        let absent = control_plane_absent(scene, answers, &workers);
        // It is started whatever was seen.
        let back = scene.step("start the control plane, and wait until every worker is Ready", |scene| {
            scene.master()?.start_control_plane()?;
            scene.wait_until_nodes_ready(BRING_UP)
        });
        let cut = errors::both(absent, back)?;
        scene.step("no question was without an answer", |scene| {
            let count = answers.none_failed(|answer| !cut.excuses(answer))?;
            scene.figure(
                "answers around the control plane's absence",
                count as f64,
                "",
                "none of the questions failed",
            );
            Ok(())
        })
    })?;
    // kubelet tries the API server again after up to half a minute; until then it has not heard of its pods, though its node is Ready.
    scene.step("every kubelet takes orders again: a new pod runs on every worker", |scene| {
        pods::on_every_worker(scene)?;
        workload::stop(&scene.master()?)
    })
}

/// When a cable was cut, and when every switch had ways to the others again.
struct Cut {
    began: Instant,
    ended: Instant,
}

impl Cut {
    /// Only a pod of the same switch can answer while there is no way to the others.
    fn excuses(&self, answer: &Answer) -> bool {
        !answering::asks_own_pod(answer) && self.began <= answer.asked && answer.asked <= self.ended
    }
}

fn control_plane_absent(scene: &mut Scene<'_>, answers: &Answers, workers: &[Switch<'_>]) -> Result<Cut> {
    let away = scene.master_away;
    let began = scene.step("stop the control plane", |scene| {
        let master = scene.master()?;
        master.stop_control_plane()?;
        is_away(&master)?;
        Ok(Instant::now())
    })?;
    let victim = scene.random.choice(workers).context("there is no worker")?;
    scene.step(format!("end kube-proxy on {} with signal 9", victim.name()), |scene| {
        let before = process(victim, "kube-proxy")?;
        victim.exec_ok(["systemctl", "kill", "--signal=KILL", "kube-proxy"])?;
        comes_back(scene, victim, "kube-proxy", &before)
    })?;
    let victim = scene.random.choice(workers).context("there is no worker")?;
    scene.step(format!("restart kubelet on {}", victim.name()), |scene| {
        let before = process(victim, "kubelet")?;
        victim.exec_ok(["systemctl", "restart", "kubelet"])?;
        comes_back(scene, victim, "kubelet", &before)
    })?;
    let cables = neighbours::cables_to_workers(scene.lab.topology(), scene.cluster);
    let (worker, cable) = scene.random.choice(cables).context("no cable leads from the master's switch to a worker")?;
    let another = neighbours::another_way(scene.lab.topology(), &scene.cluster.master().name, &worker.name, &cable);
    let cut = scene.step(format!("cut {cable} for {} s, and repair it", CUT.as_secs()), |scene| {
        let began = Instant::now();
        scene.lab.cut_link(&cable)?;
        errors::both(scene.pause(CUT), scene.lab.restore_link(&cable))?;
        answering::wait_at(scene, workers.iter().map(|worker| worker.name()))?;
        if another {
            // By the other path: when OSPF leads traffic back to the cable, some of it may be lost once more.
            routing::all_full(scene)?;
            scene.pause(RETURNED)?;
        }
        Ok(Cut { began, ended: Instant::now() })
    })?;
    scene.step(format!("wait until {} s are over", away.as_secs()), |scene| {
        scene.pause(away.saturating_sub(began.elapsed()))?;
        is_away(&scene.master()?)?;
        answers.none_failed(|answer| !cut.excuses(answer)).map(drop)
    })?;
    Ok(cut)
}

fn is_away(master: &Switch<'_>) -> Result<()> {
    ensure!(master.kubectl(&["get", "nodes"]).is_err(), "the API server answers although it was stopped");
    Ok(())
}

fn process(switch: &Switch<'_>, service: &str) -> Result<String> {
    let printed = switch.exec_ok(["systemctl", "show", "--property=MainPID", "--value", service])?;
    Ok(printed.trim().to_owned())
}

/// Waits until a service has another process.
fn comes_back(scene: &Scene<'_>, switch: &Switch<'_>, service: &str, before: &str) -> Result<()> {
    scene.eventually(&format!("{service} runs again"), RESTARTED, || {
        let now = process(switch, service)?;
        ensure!(now != "0" && now != before, "its process is {now}, and was {before}");
        Ok(())
    })
}
