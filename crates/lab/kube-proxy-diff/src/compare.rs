//! Whether two worlds answer the same.

use std::{
    collections::BTreeSet,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, Result};

use crate::{
    addresses::Vantage,
    differences,
    iptables_simulator::{self, Distribution, Packet, Rules},
    objects::{Target, Transport},
    pair::{BothRules, Pair},
    probe::{self, Answer, Answers},
    targets::{Opening, is_reachable},
    threads::side_by_side,
};

/// Connections that are made at first, and those that are added, so many times, where the answers differ so far: with
/// several endpoints, one of them can be missed by chance.
const FIRST: usize = 10;
const MORE: usize = 12;
const ROUNDS: usize = 10;

/// Questions that are asked at the same time; most of the time is waiting for what is dropped.
const AT_ONCE: usize = 24;

/// A question for both worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    pub from: Vantage,
    pub to: Target,
    pub opening: Opening,
}

/// What both worlds answered.
#[derive(Debug, Clone)]
pub struct Reply {
    pub question: Question,
    pub upstream: Answers,
    pub ours: Answers,
    /// What upstream's world answers from there at the cluster IP, where the question is for an external IP.
    pub at_cluster_ip: Answers,
}

/// Something that is not the same.
#[derive(Debug, Clone)]
pub struct Difference {
    pub from: Vantage,
    pub to: Target,
    pub upstream: String,
    pub ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}:\n    upstream: {}\n    ours:     {}", self.from, self.to, self.upstream, self.ours)
    }
}

impl Reply {
    /// Asks on for as long as chance may be why the answers are not enough.
    pub fn ask_until(&mut self, pair: &Pair, enough: impl Fn(&Reply) -> bool) -> Result<()> {
        let Question { from, to, opening } = self.question;
        for _ in 0..ROUNDS {
            if enough(self) {
                break;
            }
            let both = [(&pair.upstream, to, &mut self.upstream), (&pair.ours, to, &mut self.ours)];
            let beside = opening.at_cluster_ip.map(|to| (&pair.upstream, to, &mut self.at_cluster_ip));
            for (world, to, answers) in both.into_iter().chain(beside) {
                for (answer, count) in probe::ask(world, from, to, MORE)? {
                    *answers.entry(answer).or_default() += count;
                }
            }
        }
        Ok(())
    }

    pub fn difference(&self) -> Option<Difference> {
        let ours = without_losses(&self.ours);
        let upstream = differences::asked(
            self.question,
            &without_losses(&self.upstream),
            &ours,
            &without_losses(&self.at_cluster_ip),
        );
        let same = if self.question.opening.sticky {
            kinds(&upstream) == kinds(&ours)
        } else {
            upstream.keys().eq(ours.keys())
        };
        (!same).then(|| Difference {
            from: self.question.from,
            to: self.question.to,
            upstream: text(&self.upstream),
            ours: text(&self.ours),
        })
    }
}

/// Answers without the odd packet that got lost: the kernel drops one of two connections that masquerading would give
/// the same port at the same moment. An endpoint that does not answer would be missed far more often.
fn without_losses(answers: &Answers) -> Answers {
    let total: usize = answers.values().sum();
    let lost = |answer: &Answer, count: usize| *answer == Answer::Nothing && count * 20 < total;
    answers
        .iter()
        .filter(|(answer, count)| !lost(answer, **count))
        .map(|(answer, count)| (answer.clone(), *count))
        .collect()
}

/// How many endpoints answered, and what else came back.
fn kinds(answers: &Answers) -> (usize, BTreeSet<&Answer>) {
    let endpoints: BTreeSet<_> = answers.keys().filter_map(Answer::endpoint).collect();
    (endpoints.len(), answers.keys().filter(|answer| answer.endpoint().is_none()).collect())
}

/// Answers as a person reads them.
pub fn text(answers: &Answers) -> String {
    answers.iter().map(|(answer, count)| format!("{answer} ({count} x)")).collect::<Vec<_>>().join(", ")
}

/// Every question that the targets allow, from the usual places.
pub fn questions(targets: impl IntoIterator<Item = (Target, Opening)>) -> Vec<Question> {
    questions_from(targets, &Vantage::ALL)
}

/// Every question that the targets allow, from these places.
pub fn questions_from(targets: impl IntoIterator<Item = (Target, Opening)>, places: &[Vantage]) -> Vec<Question> {
    let from_everywhere =
        |(to, opening): (Target, Opening)| places.iter().map(move |from| Question { from: *from, to, opening });
    let all = targets.into_iter().flat_map(from_everywhere);
    all.filter(|question| is_reachable(question.from, question.to)).collect()
}

/// Asks both worlds with real packets. SCTP is left to the simulator: many kernels have no sockets for it. So is what chance alone
/// would decide: whether a pod of the other node stays with an endpoint whose answers come back to it by this node, or by another way.
pub fn ask(pair: &Pair, questions: &[Question]) -> Result<Vec<Reply>> {
    let by_chance = |question: &Question| question.opening.sticky && matches!(question.from, Vantage::RemotePod(_));
    let can_be_asked = |question: &Question| question.to.protocol != Transport::Sctp && !by_chance(question);
    let questions: Vec<&Question> = questions.iter().filter(|question| can_be_asked(question)).collect();
    let next = AtomicUsize::new(0);
    let replies = side_by_side(AT_ONCE, || {
        let mut replies = vec![];
        while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
            replies.push(ask_both(pair, **question)?);
        }
        Ok(replies)
    })?;
    let mut replies = replies.concat();
    replies.sort_by_key(|reply| reply.question);
    Ok(replies)
}

fn ask_both(pair: &Pair, question: Question) -> Result<Reply> {
    let Question { from, to, opening } = question;
    let upstream = probe::ask(&pair.upstream, from, to, FIRST)?;
    let ours = probe::ask(&pair.ours, from, to, FIRST)?;
    let at_cluster_ip = opening.at_cluster_ip.map(|to| probe::ask(&pair.upstream, from, to, FIRST)).transpose()?;
    let mut reply = Reply { question, upstream, ours, at_cluster_ip: at_cluster_ip.unwrap_or_default() };
    reply.ask_until(pair, |reply| reply.difference().is_none())?;
    Ok(reply)
}

/// The rules of both worlds, to be simulated instead of asked.
pub struct Simulated {
    upstream: Rules,
    ours: Rules,
}

impl Simulated {
    pub fn parse(rules: &BothRules) -> Result<Simulated> {
        Ok(Simulated {
            upstream: Rules::parse(&rules.upstream).context("upstream's rules cannot be simulated")?,
            ours: Rules::parse(&rules.ours).context("our rules cannot be simulated")?,
        })
    }

    pub fn differences(&self, questions: &[Question]) -> Result<Vec<Difference>> {
        let mut found = vec![];
        for question in questions.iter().copied() {
            let Question { from, to, opening } = question;
            let simulate = |rules: &Rules, whose, from, to| {
                rules.simulate(&Packet::new(from, to)?).with_context(|| format!("{whose}, {from} -> {to}"))
            };
            let upstream = simulate(&self.upstream, "upstream", from, to)?;
            let ours = simulate(&self.ours, "ours", from, to)?;
            // Where endpoints of another node are left out, they are so at the external IP only.
            let beside = match opening.at_cluster_ip {
                Some(cluster_ip) => vec![
                    simulate(&self.upstream, "upstream", from, cluster_ip)?,
                    simulate(&self.upstream, "upstream", Vantage::Outside(0), to)?,
                ],
                None => vec![],
            };
            if !iptables_simulator::same(&differences::simulated(question, &upstream, &ours, &beside), &ours) {
                let (upstream, ours) = (prospects(&upstream), prospects(&ours));
                found.push(Difference { from, to, upstream, ours });
            }
        }
        Ok(found)
    }
}

fn prospects(distribution: &Distribution) -> String {
    let lines = distribution.iter().map(|(outcome, probability)| format!("{outcome} ({probability:.7})"));
    lines.collect::<Vec<_>>().join("; ")
}
