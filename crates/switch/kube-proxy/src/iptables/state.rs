//! What we know to be programmed: hashes, by Service; and the difference between that and what is desired.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::chain::ChainId;
use super::hash::{ChainDigest, RuleHash};
use super::layout::{JUMPS, Shared};
use super::render::{self, Lines};
use super::saved::Found;
use super::{IptablesSettings, Table};
use crate::model::{Model, Service, ServiceName};

/// The hashes of a Service's chains, and of its lines in each of [`Lines::CHAINS`].
#[derive(Debug, PartialEq, Eq)]
pub struct OfService {
    lines: [ChainDigest; Lines::CHAINS.len()],
    chains: Box<[(ChainId, ChainDigest)]>,
}

/// All that is programmed.
#[derive(Debug, Default)]
pub struct State {
    services: BTreeMap<ServiceName, OfService>,
    shared: HashMap<Shared, ChainDigest>,
}

/// What has to be written.
#[derive(Debug, Default)]
pub struct Plan {
    /// The Services that have chains in `chains`.
    pub services: BTreeSet<ServiceName>,
    pub chains: HashSet<ChainId>,
    pub unwanted: Vec<ChainId>,
    pub shared: BTreeSet<Shared>,
    /// Indices of [`JUMPS`].
    pub jumps: Vec<usize>,
    pub stale: Vec<(Table, String)>,
    /// Of `unwanted` and `stale`, what can only be emptied, as others lead there.
    pub held: HashSet<(Table, String)>,
    pub stale_jumps: Vec<(Table, String)>,
}

/// Chains that this iptables or kernel prints in another way than we write them: what we wrote, and how it looked then.
#[derive(Debug, Default)]
pub struct Spellings(HashMap<Spelled, (ChainDigest, ChainDigest)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Spelled {
    Own(ChainId),
    Shared(Shared),
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
            && self.unwanted.is_empty()
            && self.shared.is_empty()
            && self.jumps.is_empty()
            && self.stale.is_empty()
            && self.stale_jumps.is_empty()
    }

    pub fn touches(&self, table: Table) -> bool {
        let of_services = table == Table::Nat && !(self.chains.is_empty() && self.unwanted.is_empty());
        let jumps = |index: &usize| JUMPS.get(*index).is_some_and(|jump| jump.to.table() == table);
        of_services
            || self.shared.iter().any(|chain| chain.table() == table)
            || self.jumps.iter().any(jumps)
            || self.stale.iter().chain(&self.stale_jumps).any(|(of, _)| *of == table)
    }

    /// The transactions that carrying it out comes to.
    pub fn commits(&self) -> u32 {
        Table::ALL.into_iter().map(|table| u32::from(self.touches(table))).sum()
    }

    /// The same without anything but the chains that are written.
    pub fn of_chains(&self) -> Self {
        Self {
            services: self.services.clone(),
            chains: self.chains.clone(),
            shared: self.shared.clone(),
            ..Self::default()
        }
    }

    /// Whether chains are to go: the one thing that rules which are not ours can make impossible.
    pub fn removes_chains(&self) -> bool {
        self.unwanted.len() + self.stale.len() > self.held.len()
    }
}

impl Spellings {
    fn is(&self, chain: Spelled, desired: ChainDigest, seen: Option<ChainDigest>) -> bool {
        seen == Some(desired) || seen.is_some_and(|seen| self.0.get(&chain) == Some(&(desired, seen)))
    }

    /// Whether chains that were written a moment ago look otherwise than they were written and than is known, with as many rules.
    pub fn are_in_question(&self, state: &State, found: &Found, written: &Plan) -> bool {
        let mut others = state.written_otherwise(found, written);
        others.any(|(chain, desired, seen)| !self.is(chain, desired, Some(seen)))
    }

    /// Takes what `found`, where nobody else has written, says of chains that were written for how they are spelled here; a chain that has not
    /// as many rules as were written is another one. Returns how many are spelled otherwise.
    pub fn learn(&mut self, state: &State, found: &Found, written: &Plan) -> usize {
        let desired: HashMap<Spelled, ChainDigest> = state.desired().collect();
        // Chains that there are no more are forgotten.
        self.0.retain(|chain, (of, _)| desired.get(chain) == Some(of));
        let learned = state.written_otherwise(found, written);
        learned.map(|(chain, desired, seen)| self.0.insert(chain, (desired, seen))).count()
    }
}

impl OfService {
    fn render(
        model: &Model,
        settings: &IptablesSettings,
        name: &ServiceName,
        service: &Service,
        lines: &mut Lines,
    ) -> Self {
        let mut chains = Vec::new();
        for port in render::ports(model, settings, name, service) {
            chains.extend(render::chains(&port).into_iter().map(|(id, rules)| (id, RuleHash::of(&rules))));
            render::lines(&port, lines);
        }
        Self { lines: Lines::CHAINS.map(|chain| RuleHash::of(lines.in_chain(chain))), chains: chains.into() }
    }
}

impl State {
    /// What `touched` Services call for. `state` becomes what will be when the plan has been carried out, but for shared chains:
    /// their hashes are [set](Self::set_shared) when they are written.
    pub fn update(&mut self, model: &Model, settings: &IptablesSettings, touched: &BTreeSet<ServiceName>) -> Plan {
        let mut plan = Plan::default();
        for name in touched {
            let new = model
                .service(name)
                .map(|service| OfService::render(model, settings, name, service, &mut Lines::default()));
            let old = self.services.remove(name);
            plan.compare(name, old.as_ref(), new.as_ref());
            if let Some(new) = new {
                self.services.insert(name.clone(), new);
            }
        }
        plan
    }

    /// The state that is desired, and what has to be written where `found` is there.
    pub fn reconcile(
        model: &Model,
        settings: &IptablesSettings,
        mut found: Found,
        spellings: &Spellings,
    ) -> (Self, Plan) {
        let (mut state, mut plan) = (Self::default(), Plan::default());
        let mut unwanted = std::mem::take(&mut found.chains);
        let mut shared: HashMap<Shared, RuleHash> = HashMap::new();
        for chain in Shared::ALL {
            shared.entry(chain).or_default().add(&render::head_and_tail(settings, chain).0);
        }
        for (name, service) in model.services() {
            let mut lines = Lines::default();
            let of = OfService::render(model, settings, name, service, &mut lines);
            for &(id, desired) in &of.chains {
                if !spellings.is(Spelled::Own(id), desired, unwanted.remove(&id)) {
                    plan.chains.insert(id);
                    plan.services.insert(name.clone());
                }
            }
            for chain in Lines::CHAINS {
                shared.entry(chain).or_default().add(lines.in_chain(chain));
            }
            state.services.insert(name.clone(), of);
        }
        for (chain, mut hash) in shared {
            hash.add(&render::head_and_tail(settings, chain).1);
            let desired = hash.finish();
            if !spellings.is(Spelled::Shared(chain), desired, found.shared.get(&chain).copied()) {
                plan.shared.insert(chain);
            }
            state.shared.insert(chain, desired);
        }
        let in_the_way = |(id, digest): &(ChainId, ChainDigest)| !found.can_stay_own(*id, *digest);
        plan.unwanted = unwanted.into_iter().filter(in_the_way).map(|(id, _)| id).collect();
        plan.jumps = (0..JUMPS.len()).filter(|&index| !found.has_jump(index)).collect();
        let stale_jumps = found.leads.iter().filter(|lead| lead.jump.is_none());
        plan.stale_jumps = stale_jumps.map(|lead| (lead.table, lead.rule.clone())).collect();
        let stale = found.stale.iter().filter(|((table, name), rules)| !found.can_stay(*table, name, **rules));
        plan.stale = stale.map(|(chain, _)| chain.clone()).collect();
        let unwanted = plan.unwanted.iter().map(|id| (Table::Nat, id.to_string()));
        plan.held =
            unwanted.chain(plan.stale.iter().cloned()).filter(|(table, name)| found.is_held(*table, name)).collect();
        (state, plan)
    }

    fn desired(&self) -> impl Iterator<Item = (Spelled, ChainDigest)> {
        let own =
            self.services.values().flat_map(|of| of.chains.iter()).map(|&(id, desired)| (Spelled::Own(id), desired));
        own.chain(self.shared.iter().map(|(&chain, &desired)| (Spelled::Shared(chain), desired)))
    }

    /// Chains of the plan that have in `found` as many rules as are desired, and others.
    fn written_otherwise(
        &self,
        found: &Found,
        written: &Plan,
    ) -> impl Iterator<Item = (Spelled, ChainDigest, ChainDigest)> {
        self.desired().filter_map(|(chain, desired)| {
            let (was_written, seen) = match chain {
                Spelled::Own(id) => (written.chains.contains(&id), found.chains.get(&id)),
                Spelled::Shared(shared) => (written.shared.contains(&shared), found.shared.get(&shared)),
            };
            let other = seen.filter(|seen| was_written && **seen != desired && seen.rules == desired.rules);
            other.map(|&seen| (chain, desired, seen))
        })
    }

    /// Whether `found` is all that is desired, and nothing else of a kube-proxy is there.
    pub fn stands(&self, found: &Found, spellings: &Spellings) -> bool {
        let mut chains = self.services.values().flat_map(|of| of.chains.iter());
        let count: usize = self.services.values().map(|of| of.chains.len()).sum();
        let left = found.chains.iter().filter(|(id, digest)| found.can_stay_own(**id, **digest)).count();
        found.chains.len() - left == count
            && chains.all(|(id, desired)| spellings.is(Spelled::Own(*id), *desired, found.chains.get(id).copied()))
            && self.shared.iter().all(|(chain, desired)| {
                spellings.is(Spelled::Shared(*chain), *desired, found.shared.get(chain).copied())
            })
            && (0..JUMPS.len()).all(|index| found.has_jump(index))
            && found.leads.len() == JUMPS.len()
            && found.stale.iter().all(|((table, name), rules)| found.can_stay(*table, name, *rules))
    }

    /// How many rules all chains of `table` have.
    pub fn rules(&self, table: Table) -> usize {
        let own = self.services.values().filter(|_| table == Table::Nat).flat_map(|of| &of.chains);
        let shared = self.shared.iter().filter(|(chain, _)| chain.table() == table);
        let all = own.map(|(_, digest)| digest).chain(shared.map(|(_, digest)| digest));
        all.map(|digest| digest.rules as usize).sum()
    }

    pub fn set_shared(&mut self, chain: Shared, hash: ChainDigest) {
        self.shared.insert(chain, hash);
    }
}

impl Plan {
    fn compare(&mut self, name: &ServiceName, old: Option<&OfService>, new: Option<&OfService>) {
        let before: HashMap<ChainId, ChainDigest> = old.into_iter().flat_map(|of| of.chains.iter().copied()).collect();
        let mut gone = before.clone();
        for &(id, hash) in new.into_iter().flat_map(|of| &of.chains) {
            gone.remove(&id);
            if before.get(&id) != Some(&hash) {
                self.chains.insert(id);
                self.services.insert(name.clone());
            }
        }
        self.unwanted.extend(gone.into_keys());
        let nothing = RuleHash::of_nothing();
        let lines = |of: Option<&OfService>| of.map_or([nothing; Lines::CHAINS.len()], |of| of.lines);
        for (index, chain) in Lines::CHAINS.into_iter().enumerate() {
            if lines(old).get(index) != lines(new).get(index) {
                self.shared.insert(chain);
            }
        }
    }
}
