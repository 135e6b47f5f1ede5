//! A Service with a pod on every worker, and hosts that keep on asking it: what was answered, what was not, and when.
//!
//! It has two node ports. One leads to every pod; the other to the pod on the switch that is asked, so that its answers
//! depend on nobody else. The Service stays until the scenario ends.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use common::errors;
use devices::Device;
use serde_json::json;

use crate::{
    ClusterIdentity, Scene,
    asking::{self, Protocol},
    limited::then_set,
    manifest, workload,
};

/// The node port that leads to every pod.
pub const ANY_POD: u16 = 31081;
/// The node port that leads to the pod on the switch that is asked.
pub const OWN_POD: u16 = 31082;

/// Between two questions.
pub const INTERVAL: Duration = Duration::from_millis(200);

/// From a node's readiness until its pods run and are reached.
const SERVED: Duration = Duration::from_secs(120);

const NAME: &str = "answering";

/// A host that asks a node port of the switch beside it.
#[derive(Debug, Clone)]
pub struct Question {
    pub host: String,
    pub to: SocketAddr,
}

/// What came of a question.
#[derive(Debug, Clone)]
pub struct Answer {
    pub question: Question,
    pub asked: Instant,
    /// The name of the pod that answered, or why none did.
    pub said: Result<String, String>,
}

/// What has been answered so far.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Vec<Answer>>);

/// Makes the Service, and waits until it answers at every worker.
pub fn start(scene: &Scene<'_>) -> Result<()> {
    let own = workload::service(
        "answering-own",
        NAME,
        &[(Protocol::Tcp, OWN_POD)],
        json!({"externalTrafficPolicy": "Local"}),
    );
    let any = workload::service(NAME, NAME, &[(Protocol::Tcp, ANY_POD)], json!({}));
    manifest::apply(&scene.master()?, NAME, &[workload::daemon_set(NAME), any, own])?;
    wait(scene)
}

/// Does what a cluster has to outlive: a Service answers at every worker before it and after it, and it is the same cluster.
pub fn outlived<T>(scene: &mut Scene<'_>, work: impl FnOnce(&mut Scene<'_>) -> Result<T>) -> Result<T> {
    scene.step("a Service answers at every worker", |scene| start(scene))?;
    let before = ClusterIdentity::of(&scene.master()?)?;
    let worked = work(scene)?;
    scene.step("the Service answers at every worker, and it is the same cluster", |scene| {
        wait(scene)?;
        before.has_stayed(&scene.master()?)
    })?;
    Ok(worked)
}

/// Waits until the Service answers at every worker.
pub fn wait(scene: &Scene<'_>) -> Result<()> {
    wait_at(scene, scene.worker_nodes().iter().map(|node| node.name.as_str()))
}

/// Waits until the pod of each of these switches answers the host beside it, and each of them leads to every pod.
pub fn wait_at<'s>(scene: &Scene<'_>, switches: impl IntoIterator<Item = &'s str>) -> Result<()> {
    let pods = scene.worker_nodes().len();
    for switch in switches {
        let own = question(scene, switch, OWN_POD)?;
        let what = format!("the pod on {switch} answers {}", own.host);
        scene.eventually(&what, SERVED, || ask_once(scene, &own))?;
        let any = question(scene, switch, ANY_POD)?;
        let mut met = BTreeSet::new();
        scene.eventually(&format!("every pod answers {} by way of {switch}", any.host), SERVED, || {
            for _ in 0..4 * pods {
                met.insert(ask_once(scene, &any)?);
            }
            ensure!(met.len() >= pods, "these have: {met:?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// The host beside a switch asks one of its node ports.
pub fn question(scene: &Scene<'_>, switch: &str, port: u16) -> Result<Question> {
    let address = scene.address_of(switch)?;
    let host = scene.host_of(switch)?.name().to_owned();
    Ok(Question { host, to: SocketAddr::from((address, port)) })
}

fn ask_once(scene: &Scene<'_>, question: &Question) -> Result<String> {
    scene.lab.device(&question.host)?.in_network(|| asking::tcp(question.to).context("no answer"))
}

/// Asks all of these every 200 ms while `work` is done, which may look at the answers.
pub fn while_asked<T>(
    scene: &mut Scene<'_>,
    questions: &[Question],
    work: impl FnOnce(&mut Scene<'_>, &Answers) -> Result<T>,
) -> Result<T> {
    let devices: Vec<(Device<'_>, &Question)> =
        questions.iter().map(|question| Ok((scene.lab.device(&question.host)?, question))).collect::<Result<_>>()?;
    let (answers, done) = (Answers::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let askers: Vec<_> = devices
            .iter()
            .map(|(device, question)| scope.spawn(|| device.in_network(|| keep_asking(question, &answers, &done))))
            .collect();
        let worked = then_set(&done, || work(scene, &answers));
        let asked = |asker: ScopedJoinHandle<'_, Result<()>>| {
            asker.join().unwrap_or_else(|_| bail!("a thread that asked panicked"))
        };
        errors::both(worked, errors::all(askers.into_iter().map(asked)))
    })
}

/// A question that waits for its answer must not keep the next one from being asked.
fn keep_asking(question: &Question, answers: &Answers, done: &AtomicBool) -> Result<()> {
    thread::scope(|scope| {
        while !done.load(Ordering::Relaxed) {
            scope.spawn(|| {
                let asked = Instant::now();
                let said = asking::tcp(question.to).map_err(|error| error.to_string());
                answers.all().push(Answer { question: question.clone(), asked, said });
            });
            thread::sleep(INTERVAL);
        }
    });
    Ok(())
}

impl Answers {
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many answers there were to questions that `which` takes; fails where one of them was not answered.
    pub fn none_failed(&self, which: impl Fn(&Answer) -> bool) -> Result<usize> {
        let all = self.all();
        let taken: Vec<&Answer> = all.iter().filter(|answer| which(answer)).collect();
        let failed: Vec<&&Answer> = taken.iter().filter(|answer| answer.said.is_err()).collect();
        if let (Some(first), Some(last)) = (failed.first(), failed.last()) {
            bail!(
                "{} of {} questions had no answer, the first from {} to {}: {}; {:.1} s from the first to the last",
                failed.len(),
                taken.len(),
                first.question.host,
                first.question.to,
                first.said.as_ref().err().map_or("", String::as_str),
                last.asked.saturating_duration_since(first.asked).as_secs_f64()
            );
        }
        ensure!(!taken.is_empty(), "nothing was asked");
        Ok(taken.len())
    }

    /// How many questions had no answer, and when the last one of them was asked.
    pub fn failed(&self) -> (usize, Option<Instant>) {
        let all = self.all();
        let failed = all.iter().filter(|answer| answer.said.is_err());
        (failed.clone().count(), failed.map(|answer| answer.asked).max())
    }
}

/// Whether a switch's own pod is the one that is asked.
pub fn asks_own_pod(answer: &Answer) -> bool {
    answer.question.to.port() == OWN_POD
}

/// The questions of the hosts beside these switches.
pub fn questions<'s>(
    scene: &Scene<'_>,
    switches: impl IntoIterator<Item = &'s str>,
    ports: &[u16],
) -> Result<Vec<Question>> {
    let each = |switch| ports.iter().map(move |port| question(scene, switch, *port));
    switches.into_iter().flat_map(each).collect()
}
