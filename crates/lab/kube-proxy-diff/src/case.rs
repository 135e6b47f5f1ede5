//! A case: objects, step by step, and what has to be true after each step.
//!
//! All cases of a group are carried out side by side by one pair of kube-proxies: first everybody's first step, then
//! everybody's second, and so on. Each case has names, addresses and ports of its own ([`Plot`]). After each step, all
//! that a case ever opened is asked, from everywhere; so what was taken away is asked, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use common::Progress;

use crate::{
    addresses::{NODE, Vantage},
    api::Api,
    compare::{self, Reply, Simulated},
    health::{self, HealthCheck},
    objects::{ObjectChange, Target},
    pair::{Pair, PairSetting},
    probe::{self, Answer},
    programs::Programs,
    targets::{self, Opening},
    world::BackendMode,
};

/// How long it may take until the kernel forgets flows to endpoints that are gone.
const RECORDS_DELETED: Duration = Duration::from_secs(3);

/// The names, addresses and ports of one case.
#[derive(Debug, Clone, Copy)]
pub struct Plot(pub u8);

impl Plot {
    pub fn name(self, suffix: &str) -> String {
        format!("case{}-{suffix}", self.0)
    }

    pub fn cluster_ip(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 10, self.0, number)
    }

    /// An address that the network leads to the node.
    pub fn external_ip(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(172, 20, self.0, number)
    }

    /// `number` is below ten.
    pub fn node_port(self, number: u16) -> u16 {
        30000 + u16::from(self.0) * 10 + number
    }
}

/// Changes, and what is expected of upstream when they are programmed; ours has to answer as upstream does.
#[derive(Debug, Default)]
pub struct Step {
    pub changes: Vec<ObjectChange>,
    pub expected: Vec<(Vantage, Target, Expected)>,
    /// Flows of UDP from one and the same port, which the kernel remembers from step to step.
    pub flows: Vec<(Vantage, u16, Target, Expected)>,
    /// Ports of health checks, with the status that is expected; 0 for nobody listening.
    pub health: Vec<(u16, u16)>,
}

/// What an answer has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// These endpoints answer, and nothing else comes back.
    Endpoints(BTreeSet<SocketAddrV4>),
    /// Endpoints answer, and all of them see this source.
    Source(Ipv4Addr),
    /// One endpoint answers, always the same.
    OneEndpoint,
    Refused,
    Nothing,
}

/// A case of the table.
pub struct Case {
    pub name: &'static str,
    pub steps: fn(Plot) -> Vec<Step>,
}

/// Cases that are carried out together.
pub struct Group {
    pub name: String,
    pub setting: PairSetting,
    pub cases: Vec<Case>,
}

/// What is wrong with a case.
#[derive(Debug, Clone)]
pub struct Finding {
    pub case: &'static str,
    pub step: usize,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, step {}: {}", self.case, self.step + 1, self.what)
    }
}

impl Step {
    pub fn new(changes: impl IntoIterator<Item = ObjectChange>) -> Step {
        Step { changes: changes.into_iter().collect(), ..Step::default() }
    }

    pub fn expect(mut self, from: Vantage, to: Target, expected: Expected) -> Step {
        self.expected.push((from, to, expected));
        self
    }

    pub fn flow(mut self, from: Vantage, port: u16, to: Target, expected: Expected) -> Step {
        self.flows.push((from, port, to, expected));
        self
    }

    pub fn health(mut self, port: u16, status: u16) -> Step {
        self.health.push((port, status));
        self
    }
}

impl Expected {
    pub fn endpoints(addresses: &[Ipv4Addr], port: u16) -> Expected {
        Expected::Endpoints(addresses.iter().map(|ip| SocketAddrV4::new(*ip, port)).collect())
    }

    fn holds(&self, answers: &probe::Answers) -> bool {
        let endpoints: BTreeSet<SocketAddrV4> = answers.keys().filter_map(Answer::endpoint).collect();
        let all = |desired: fn(&Answer) -> bool| !answers.is_empty() && answers.keys().all(desired);
        match self {
            Expected::Endpoints(desired) => endpoints == *desired && all(|answer| answer.endpoint().is_some()),
            Expected::Source(desired) => {
                answers.keys().all(|answer| matches!(answer, Answer::From { source, .. } if source == desired))
                    && !answers.is_empty()
            }
            Expected::OneEndpoint => endpoints.len() == 1 && all(|answer| answer.endpoint().is_some()),
            Expected::Refused => all(|answer| *answer == Answer::Refused),
            Expected::Nothing => all(|answer| *answer == Answer::Nothing),
        }
    }
}

/// A case being carried out.
struct Running {
    name: &'static str,
    steps: Vec<Step>,
    /// All that was ever open, and how it was last.
    opened: BTreeMap<Target, Opening>,
}

/// Carries out a group; an empty list says that upstream and ours cannot be told apart.
pub fn run(group: &Group, api: &Api, programs: &Programs, progress: &dyn Progress) -> Result<Vec<Finding>> {
    let began = Instant::now();
    let note =
        |what: String| progress.note(&format!("{:6.1} s  {}: {what}", began.elapsed().as_secs_f64(), group.name));
    let mut pair = Pair::start(api, programs, group.setting)?;
    let mut cases: Vec<Running> = vec![];
    for (case, number) in group.cases.iter().zip(1..) {
        cases.push(Running { name: case.name, steps: (case.steps)(Plot(number)), opened: BTreeMap::new() });
    }
    let longest = cases.iter().map(|case| case.steps.len()).max().unwrap_or_default();
    let mut findings = vec![];
    for step in 0..longest {
        let changes: Vec<ObjectChange> =
            cases.iter().filter_map(|case| case.steps.get(step)).flat_map(|step| step.changes.clone()).collect();
        let rules = pair.apply(api, &changes).with_context(|| format!("{}, step {}", group.name, step + 1))?;
        note(format!("step {}: {} changes are programmed", step + 1, changes.len()));
        for case in cases.iter_mut().filter(|case| case.steps.len() > step) {
            case.note_opened(step);
        }
        let cases: Vec<&Running> = cases.iter().filter(|case| case.steps.len() > step).collect();
        if group.setting.mode == BackendMode::Iptables {
            let simulated = Simulated::parse(&rules)?;
            for case in &cases {
                let differences = simulated.differences(&case.questions())?;
                findings.extend(differences.iter().map(|found| case.finding(step, format!("simulated: {found}"))));
            }
        }
        note(format!("step {}: simulated", step + 1));
        for case in &cases {
            findings.extend(case.ask_flows(&pair, step)?);
        }
        let questions: Vec<_> = cases.iter().flat_map(|case| case.questions()).collect();
        note(format!("step {}: {} questions", step + 1, questions.len()));
        let mut replies = compare::ask(&pair, &questions)?;
        for case in &cases {
            case.ask_on(&pair, step, &mut replies)?;
        }
        note(format!("step {}: answered", step + 1));
        for case in &cases {
            findings.extend(case.judge(step, &replies));
            findings.extend(case.ask_health(&pair, step)?);
        }
    }
    Ok(findings)
}

impl Running {
    fn finding(&self, step: usize, what: String) -> Finding {
        Finding { case: self.name, step, what }
    }

    fn note_opened(&mut self, step: usize) {
        for change in self.steps.get(step).into_iter().flat_map(|step| &step.changes) {
            if let ObjectChange::Put(object) = change {
                self.opened.extend(targets::of(object));
            }
        }
    }

    fn questions(&self) -> Vec<compare::Question> {
        compare::questions(self.opened.iter().map(|(target, opening)| (*target, *opening)))
    }

    /// Both may have missed the same endpoint by chance: then they agree, and what is expected has not been seen.
    fn ask_on(&self, pair: &Pair, step: usize, replies: &mut [Reply]) -> Result<()> {
        for (from, to, expected) in self.steps.get(step).into_iter().flat_map(|step| &step.expected) {
            let asked = |reply: &&mut Reply| reply.question.from == *from && reply.question.to == *to;
            if let Some(reply) = replies.iter_mut().find(asked) {
                let enough = |reply: &Reply| expected.holds(&reply.upstream) && reply.difference().is_none();
                reply.ask_until(pair, enough)?;
            }
        }
        Ok(())
    }

    fn judge(&self, step: usize, replies: &[Reply]) -> Vec<Finding> {
        let own: Vec<&Reply> = replies.iter().filter(|reply| self.opened.contains_key(&reply.question.to)).collect();
        let mut findings: Vec<Finding> = own
            .iter()
            .filter_map(|reply| reply.difference())
            .map(|found| self.finding(step, format!("asked: {found}")))
            .collect();
        for (from, to, expected) in self.steps.get(step).into_iter().flat_map(|step| &step.expected) {
            let reply = own.iter().find(|reply| reply.question.from == *from && reply.question.to == *to);
            match reply {
                Some(reply) if expected.holds(&reply.upstream) => {}
                Some(reply) => {
                    let answers = compare::text(&reply.upstream);
                    let what = format!("{from} -> {to}: {expected:?} is expected of upstream, which answers {answers}");
                    findings.push(self.finding(step, what));
                }
                None => findings.push(self.finding(step, format!("{from} -> {to} is expected and was not asked"))),
            }
        }
        findings
    }

    fn ask_flows(&self, pair: &Pair, step: usize) -> Result<Vec<Finding>> {
        let mut findings = vec![];
        for (from, port, to, expected) in self.steps.get(step).into_iter().flat_map(|step| &step.flows) {
            for (whose, world) in [("upstream", &pair.upstream), ("ours", &pair.ours)] {
                let began = Instant::now();
                let mut answer = probe::ask_from_port(world, *from, *port, *to)?;
                // The kernel's records are deleted after the rules are written.
                while !expected.holds(&[(answer.clone(), 1)].into()) && began.elapsed() < RECORDS_DELETED {
                    thread::sleep(Duration::from_millis(50));
                    answer = probe::ask_from_port(world, *from, *port, *to)?;
                }
                if !expected.holds(&[(answer.clone(), 1)].into()) {
                    let what = format!("{whose}, {from}:{port} -> {to}: {expected:?} is expected, found {answer}");
                    findings.push(self.finding(step, what));
                }
            }
        }
        Ok(findings)
    }

    fn ask_health(&self, pair: &Pair, step: usize) -> Result<Vec<Finding>> {
        let mut findings = vec![];
        for (port, status) in self.steps.get(step).into_iter().flat_map(|step| &step.health) {
            let at = SocketAddrV4::new(NODE, *port);
            let upstream = health::ask(&pair.upstream, at)?;
            let ours = health::ask(&pair.ours, at)?;
            if upstream != ours {
                findings.push(self.finding(step, format!("health at {at}: upstream {upstream:?}, ours {ours:?}")));
            }
            let found = match upstream {
                HealthCheck::Closed => 0,
                HealthCheck::Answer { status, .. } => status,
            };
            if found != *status {
                let what = format!("health at {at}: {status} is expected of upstream, found {found}");
                findings.push(self.finding(step, what));
            }
        }
        Ok(findings)
    }
}
