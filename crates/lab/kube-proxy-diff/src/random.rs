//! States that nobody thought of: random Services and endpoints, changed at random, and compared after each change.

mod draft;

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use common::Progress;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::json;

use self::draft::{Draft, draft};
use crate::{
    api::Api,
    case::Plot,
    compare::{self, Difference, Question, Simulated},
    objects::{Object, ObjectChange, Target},
    pair::{Pair, PairSetting},
    programs::Programs,
    targets::{self, Opening},
};

/// How many Services there can be.
const SLOTS: u8 = 20;
/// How many of them change, at most, from one state to the next.
const CHANGES: usize = 6;
/// How many questions are asked with real packets in one state.
const ASKED: usize = 60;

/// How the states are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By simulating the rules: everything, from everywhere.
    Simulation,
    /// By real packets, too: a sample.
    Packets,
}

/// What is to be made up; the same seed makes up the same states.
#[derive(Debug, Clone, Copy)]
pub struct RandomPlan {
    pub seed: u64,
    pub states: usize,
    pub by: By,
}

/// A state in which the two are not the same.
#[derive(Debug)]
pub struct Divergence {
    pub seed: u64,
    pub state: usize,
    pub differences: Vec<Difference>,
    /// The objects that are concerned, as the API takes them.
    pub objects: Vec<String>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}, state {}:", self.seed, self.state)?;
        self.differences.iter().try_for_each(|difference| writeln!(f, "  {difference}"))?;
        self.objects.iter().try_for_each(|object| writeln!(f, "  {object}"))
    }
}

/// One slot: what is in it, and the objects that came of that.
type Slots = BTreeMap<u8, Vec<Object>>;

/// Walks through random states with one pair of kube-proxies.
pub fn states(
    plan: RandomPlan,
    setting: PairSetting,
    api: &Api,
    programs: &Programs,
    progress: &dyn Progress,
) -> Result<Vec<Divergence>> {
    progress.note(&format!("{} random states from seed {}", plan.states, plan.seed));
    let mut dice = Dice::new(plan.seed);
    let mut pair = Pair::start(api, programs, setting)?;
    let mut slots = Slots::new();
    // All that was ever open, and whose slot it was: an address can outlive the object that named it, in its status.
    let mut known: BTreeMap<Target, u8> = BTreeMap::new();
    let mut divergences = vec![];
    for state in 0..plan.states {
        let number = if state == 0 { usize::from(SLOTS) } else { dice.draw(1..=CHANGES)? };
        let mut changes = vec![];
        for _ in 0..number {
            let slot = if state == 0 { u8::try_from(slots.len())? + 1 } else { dice.draw(1..=SLOTS)? };
            let drafted = dice.draw(draft())?;
            changes.extend(replace(&mut slots, slot, &drafted));
        }
        for (slot, objects) in &slots {
            known.extend(objects.iter().flat_map(targets::of).map(|(target, _)| (target, *slot)));
        }
        let sticky = |slot: &u8| slots.get(slot).is_some_and(|objects| objects.iter().any(targets::is_sticky));
        let rules = pair.apply(api, &changes).with_context(|| format!("seed {}, state {state}", plan.seed))?;
        let now: BTreeMap<Target, Opening> = slots.values().flatten().flat_map(targets::of).collect();
        let opened = known.iter().map(|(to, slot)| {
            let at_cluster_ip = now.get(to).and_then(|opening| opening.at_cluster_ip);
            (*to, Opening { sticky: sticky(slot), at_cluster_ip })
        });
        let everywhere = compare::questions_from(opened, &draft::VANTAGES);
        let mut differences = Simulated::parse(&rules)?.differences(&everywhere)?;
        if plan.by == By::Packets {
            let sample: Vec<Question> = (0..ASKED)
                .map(|_| dice.draw(0..everywhere.len()).map(|index| everywhere.get(index).copied()))
                .filter_map(Result::transpose)
                .collect::<Result<_>>()?;
            let replies = compare::ask(&pair, &sample)?;
            differences.extend(replies.iter().filter_map(compare::Reply::difference));
        }
        if !differences.is_empty() {
            let objects = concerned(&slots, &differences);
            divergences.push(Divergence { seed: plan.seed, state, differences, objects });
        }
        if state % 20 == 19 {
            progress.note(&format!("{} states compared, {} of them differ", state + 1, divergences.len()));
        }
    }
    Ok(divergences)
}

/// Puts a draft into a slot, and says what has to be written for that.
fn replace(slots: &mut Slots, slot: u8, draft: &Draft) -> Vec<ObjectChange> {
    let desired = draft.objects(Plot(slot));
    let before = slots.insert(slot, desired.clone()).unwrap_or_default();
    // A Service cannot change into some others under its name; and who deletes one deletes its Endpoints.
    let again = before.iter().zip(&desired).any(|(before, desired)| !can_become(before, desired)) || desired.is_empty();
    let gone = before.iter().filter(|old| again || !desired.iter().any(|object| object.path() == old.path()));
    let gone: Vec<ObjectChange> = gone.cloned().map(ObjectChange::Delete).collect();
    gone.into_iter().chain(desired.into_iter().map(ObjectChange::Put)).collect()
}

fn can_become(before: &Object, desired: &Object) -> bool {
    let cluster_ip = |object: &Object| match object {
        Object::Service(service) => service.spec.as_ref().and_then(|spec| spec.cluster_ip.clone()),
        Object::Endpoints(_) => None,
    };
    cluster_ip(before) == cluster_ip(desired)
}

/// The objects of the slots whose addresses or node ports differ.
fn concerned(slots: &Slots, differences: &[Difference]) -> Vec<String> {
    let is_concerned = |objects: &[Object]| {
        objects.iter().flat_map(targets::of).any(|(target, _)| differences.iter().any(|found| found.to == target))
    };
    let objects = slots.values().filter(|objects| is_concerned(objects)).flatten();
    objects.map(|object| json!(object).to_string()).collect()
}

/// Draws values from proptest's strategies, in an order that the seed alone decides.
struct Dice(TestRunner);

impl Dice {
    fn new(seed: u64) -> Dice {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Dice(TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)))
    }

    fn draw<S: Strategy>(&mut self, strategy: S) -> Result<S::Value> {
        let tree = strategy.new_tree(&mut self.0).map_err(|reason| anyhow!("nothing could be drawn: {reason}"))?;
        Ok(tree.current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_up_the_same_objects_again() {
        let drawn = |seed| -> Vec<Vec<Object>> {
            let mut dice = Dice::new(seed);
            (1..20).map(|slot| dice.draw(draft()).unwrap().objects(Plot(slot))).collect()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn what_replaces_a_service_of_another_cluster_address_is_made_anew() {
        let mut slots = Slots::new();
        let mut dice = Dice::new(1);
        let mut deleted = 0;
        for _ in 0..200 {
            let changes = replace(&mut slots, 1, &dice.draw(draft()).unwrap());
            deleted +=
                changes.iter().filter(|change| matches!(change, ObjectChange::Delete(Object::Service(_)))).count();
        }
        assert!((20..180).contains(&deleted), "{deleted} of 200 Services were deleted before the next one");
    }
}
