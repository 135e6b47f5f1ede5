//! Everything around the kube-proxy goes wrong, and it has to come back by itself, soon, without breaking what is open.
//!
//! 1. A world with the kube-proxy, which reaches the API server through a [`relay`]; Services at random ([`state`]).
//! 2. [`connections`] are open all the time, to endpoints that nobody touches. None of them may break.
//! 3. One [`Disturbance`] after the other, while objects change. Once it is over, the node's rules have to become what
//!    `--print-rules` prints for the objects that there are ([`rules`]), and every Service has to answer.
//!
//! Which disturbance, and what changes, is random; the seed makes it again.
//!
//! Clocks that jump are not among them: the kernel has no clock of the day for a namespace, and setting the machine's would disturb all
//! that runs on it. Instead the kube-proxy's own tests hold that nothing in it is decided by that clock (`tests/clocks.rs`), and what
//! shows it (health, metrics) is tested with times that are arguments. Certificates are the exception: TLS checks their dates.

mod connections;
mod disturbance;
mod echo;
mod relay;
mod rules;
mod state;

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use common::Progress;
use fastrand::Rng;

pub use self::disturbance::Disturbance;
use self::{connections::Connections, relay::Relay, state::LiveServices};
use crate::{
    addresses::{POD_CIDR, PODS, REMOTE_PODS, Vantage},
    api::Api,
    daemon::Program,
    probe::{self, Answer},
    programs::Programs,
    world::{BackendMode, Implementation, IptablesVariant, World},
};

/// How soon the state has to be right again, as docs/kube-proxy-diff.md promises it.
pub const LIMIT: Duration = Duration::from_secs(2);

/// So many times slower may everything be where other things go on; so the docs have it, too.
pub const BUSY: u32 = 4;

/// How long it is waited for all the same, so that the report can say how long it took.
const TIMEOUT: Duration = Duration::from_secs(30);

const CONNECTIONS: usize = 200;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct ChaosRequest {
    pub iptables: IptablesVariant,
    pub mode: BackendMode,
    pub seed: u64,
    /// Each disturbance once, in random order, and again until so much time has gone by.
    pub at_least: Duration,
    /// How soon the state has to be right again: [`LIMIT`], or more where the machine may be busy with other things.
    pub limit: Duration,
}

/// In userspace mode the connections are the kube-proxy's own: there it is not killed.
fn disturbances(mode: BackendMode) -> Vec<Disturbance> {
    let all = Disturbance::ALL.into_iter();
    all.filter(|one| mode == BackendMode::Iptables || *one != Disturbance::Killed).collect()
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How long after each disturbance the state was right.
    pub converged: Vec<(Disturbance, Duration)>,
    /// Writes of objects.
    pub changes: u64,
    /// Questions answered on the open connections.
    pub answers: u64,
    /// Connections that broke, and how.
    pub broken: Vec<String>,
    /// Why it was given up, if it was: something does not become right at all.
    pub given_up: Option<String>,
    limit: Duration,
}

impl Report {
    /// What is not as it has to be, in words.
    pub fn faults(&self) -> Vec<String> {
        let late = self.converged.iter().filter(|(_, after)| *after > self.limit);
        let late = late.map(|(disturbance, after)| format!("{disturbance}: right again after {after:.1?}"));
        let broken = self.broken.iter().map(|how| format!("a connection broke: {how}"));
        let unused = (self.answers == 0).then(|| "nothing was answered on the open connections".to_owned());
        let still = self.converged.is_empty().then(|| "nothing went wrong, so nothing was shown".to_owned());
        late.chain(broken).chain(self.given_up.clone()).chain(unused).chain(still).collect()
    }

    /// For each disturbance that there was, how long it took each time until the state was right, the shortest first.
    pub fn by_disturbance(&self) -> BTreeMap<Disturbance, Vec<Duration>> {
        let mut times: BTreeMap<Disturbance, Vec<Duration>> = BTreeMap::new();
        for (disturbance, after) in &self.converged {
            times.entry(*disturbance).or_default().push(*after);
        }
        times.values_mut().for_each(|times| times.sort());
        times
    }
}

/// Where it is played.
struct Stage<'a> {
    programs: &'a Programs,
    api: &'a mut Api,
    world: World,
    mode: BackendMode,
    relay: Relay,
    program: Program,
    random: Rng,
    state: LiveServices,
    changes: u64,
}

/// Plays it. An error is one of the stage, not of what is played on it.
pub fn run(request: &ChaosRequest, api: &mut Api, programs: &Programs, progress: &dyn Progress) -> Result<Report> {
    let began = Instant::now();
    let mut stage = Stage::set(request, api, programs)?;
    let after = stage.converge(began)?;
    progress.note(&format!("first in sync after {after:.1?}"));
    let connections = Connections::open(&stage.world, state::STEADY, &state::UNTOUCHED, CONNECTIONS)?;
    let mut report = Report { limit: request.limit, ..Report::default() };
    let mut next = disturbances(request.mode);
    stage.random.shuffle(&mut next);
    while began.elapsed() < request.at_least || !next.is_empty() {
        if next.is_empty() {
            next = disturbances(request.mode);
            stage.random.shuffle(&mut next);
        }
        let Some(disturbance) = next.pop() else { break };
        match stage.play(disturbance) {
            Ok(after) => {
                let so_far = began.elapsed().as_secs();
                progress.note(&format!("{so_far:5} s  {disturbance}: right again after {after:.1?}"));
                report.converged.push((disturbance, after));
            }
            Err(error) => {
                report.given_up = Some(format!("{disturbance}: {error:#}"));
                break;
            }
        }
    }
    let used = connections.close()?;
    Ok(Report { changes: stage.changes, answers: used.answers, broken: used.broken, ..report })
}

impl<'a> Stage<'a> {
    fn set(request: &ChaosRequest, api: &'a mut Api, programs: &'a Programs) -> Result<Stage<'a>> {
        api.with_client(|client| client.wipe())?;
        let random = Rng::with_seed(request.seed);
        let mut state = LiveServices::new(Rng::with_seed(request.seed));
        let world = World::new("chaos", api, request.iptables)?;
        for (index, address) in PODS.into_iter().enumerate() {
            echo::start(world.netns(Vantage::Pod(index))?, address)?;
        }
        for (index, address) in REMOTE_PODS.into_iter().enumerate() {
            echo::start(world.netns(Vantage::RemotePod(index))?, address)?;
        }
        let relay = Relay::start(api.netns(), api.address())?;
        let master = format!("--master=https://{}", relay.address());
        let cluster_cidr = format!("--cluster-cidr={POD_CIDR}");
        let mode = format!("--proxy-mode={}", request.mode);
        let program = world.program(Implementation::Ours, programs, api, &[&master, &cluster_cidr, &mode]);
        let first = state.first();
        api.with_client(|client| client.apply(&first))?;
        let mut stage = Stage {
            programs,
            api,
            world,
            mode: request.mode,
            relay,
            program,
            random,
            state,
            changes: first.len() as u64,
        };
        stage.start_proxy()?;
        Ok(stage)
    }

    fn start_proxy(&mut self) -> Result<()> {
        self.world.start_proxy(&self.program, self.api)
    }

    /// Changes something.
    fn change(&mut self) -> Result<()> {
        let changes = self.state.change();
        self.changes += changes.len() as u64;
        self.api.with_client(|client| client.apply(&changes))
    }

    /// One disturbance, and how long after it the state was right.
    fn play(&mut self, disturbance: Disturbance) -> Result<Duration> {
        let over = disturbance.execute(self)?;
        self.converge(over)
    }

    /// Waits until the state is right, and returns how long after `since` that was.
    fn converge(&mut self, since: Instant) -> Result<Duration> {
        let desired = match self.mode {
            BackendMode::Iptables => Some(self.print_rules()?),
            // Its rules lead to a port of the moment, and its endpoints are not among them.
            BackendMode::Userspace => None,
        };
        loop {
            self.world.proxy()?.check()?;
            let found = self.world.iptables_save()?;
            let after = since.elapsed();
            let mut wrong = desired.as_ref().map(|desired| rules::differences(desired, &found)).unwrap_or_default();
            if wrong.is_empty() {
                wrong = self.ask()?;
            }
            if wrong.is_empty() {
                return Ok(after);
            }
            if after > TIMEOUT {
                let log = self.world.proxy()?.log_tail();
                bail!("after {after:.1?}, this is not right:\n{}\nthe log ends with\n{log}", wrong.join("\n"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The rules for the objects that there are.
    fn print_rules(&self) -> Result<String> {
        let arguments = self.program.arguments.iter().map(String::as_str).filter(|flag| !flag.starts_with("--master"));
        let arguments: Vec<&str> = arguments.chain(["--print-rules"]).collect();
        self.world.run_on_node(&self.program.path.display().to_string(), &arguments)
    }

    /// Every Service has to be answered by one of its endpoints, and by nobody where there are none; returns what is different.
    fn ask(&self) -> Result<Vec<String>> {
        let mut wrong = vec![];
        for (target, behind) in self.state.answers() {
            for (answer, _) in probe::ask(&self.world, Vantage::Node, target, 2)? {
                let right = match &answer {
                    Answer::From { endpoint, .. } => behind.contains(endpoint.ip()),
                    Answer::Refused => behind.is_empty(),
                    _ => false,
                };
                if !right {
                    wrong.push(format!("{target} is for {behind:?}, and the answer was: {answer}"));
                }
            }
        }
        Ok(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_docs() {
        let docs = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/kube-proxy-diff.md"));
        let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ");
        let flaps = 1000 / disturbance::FLAP.as_millis();
        for said in [
            format!("{CONNECTIONS} connections stay in use"),
            format!("an endpoint comes and goes {flaps} times a second"),
            format!("right again within {} s, and no connection may break", LIMIT.as_secs()),
            format!("`cargo xtask test` allows {} s", (BUSY * LIMIT).as_secs()),
        ] {
            assert!(docs.contains(&said), "docs/kube-proxy-diff.md does not say: {said}");
        }
        assert_eq!(LIMIT.subsec_nanos(), 0);
    }

    #[test]
    fn a_run_in_which_nothing_was_disturbed_or_answered_is_at_fault() {
        assert_eq!(Report::default().faults().len(), 2);
        let converged = vec![(Disturbance::ALL[0], Duration::ZERO)];
        assert_eq!(Report { converged, answers: 1, ..Report::default() }.faults(), [""; 0]);
    }
}
