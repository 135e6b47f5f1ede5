//! The way of a packet through the hooks of nat and filter.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use anyhow::{Context, Result, bail};

use super::{
    Distribution, Outcome, Packet, Rules, Stickiness, Verdict,
    packet::{is_local, out_interface},
    rule::{Masked, Rule, RuleTarget, Test, TestKind},
};

/// Chains that jump to each other for ever are not followed any further.
const DEPTH: usize = 16;

/// A packet on its way, with the probability that it came to this point.
#[derive(Debug, Clone)]
struct Flow {
    probability: f64,
    packet: Packet,
    dnat: bool,
    masquerade: Option<bool>,
    /// Lists of `-m recent` that the source was put into on the way.
    remembered: BTreeSet<String>,
    /// The check of a list that it passed, with its time limit.
    recognised: Option<Option<u32>>,
}

/// How a packet leaves a chain.
#[derive(Debug, Clone, PartialEq)]
enum Exit {
    /// It goes on behind the rule that led here.
    Return,
    Accept,
    Drop,
    Reject(String),
}

/// Where a packet is, for `-o`: before routing nobody knows where it will go out.
struct Hook<'a> {
    rules: &'a Rules,
    table: &'a str,
    routed: bool,
    /// Lists that have the source from an earlier connection.
    known: &'a BTreeSet<String>,
}

impl Rules {
    /// What becomes of the first packet of a connection of a client that was not seen before.
    pub fn simulate(&self, packet: &Packet) -> Result<Distribution> {
        let mut distribution = Distribution::new();
        for (flow, verdict) in self.follow(packet, &BTreeSet::new())? {
            let affinity = self.affinity(packet, &flow)?;
            let outcome =
                Outcome { verdict, destination: flow.packet.destination, masquerade: flow.masquerade, affinity };
            *distribution.entry(outcome).or_default() += flow.probability;
        }
        Ok(distribution)
    }

    /// Where the next connection of the same client would go.
    fn affinity(&self, packet: &Packet, first: &Flow) -> Result<Stickiness> {
        if first.remembered.is_empty() {
            return Ok(Stickiness::None);
        }
        let again = self.follow(packet, &first.remembered)?;
        let Some(seconds) = again.iter().find_map(|(flow, _)| flow.recognised) else {
            return Ok(Stickiness::Lost);
        };
        let kept = again
            .iter()
            .all(|(flow, _)| flow.packet.destination == first.packet.destination && flow.recognised == Some(seconds));
        Ok(if kept { Stickiness::Kept { seconds } } else { Stickiness::Lost })
    }

    fn follow(&self, packet: &Packet, known: &BTreeSet<String>) -> Result<Vec<(Flow, Verdict)>> {
        let start = Flow {
            probability: 1.0,
            packet: packet.clone(),
            dnat: false,
            masquerade: None,
            remembered: BTreeSet::new(),
            recognised: None,
        };
        let from_outside = packet.in_interface.is_some();
        let mut ended = vec![];
        let first = if from_outside { "PREROUTING" } else { "OUTPUT" };
        for flow in self.hook("nat", first, !from_outside, known, vec![start], &mut ended)? {
            let local = is_local(*flow.packet.destination.ip());
            let hooks: &[(&str, &str)] = match (from_outside, local) {
                (true, true) => &[("filter", "INPUT"), ("nat", "INPUT")],
                (true, false) => &[("filter", "FORWARD"), ("nat", "POSTROUTING")],
                (false, true) => &[("filter", "OUTPUT"), ("nat", "POSTROUTING"), ("filter", "INPUT")],
                (false, false) => &[("filter", "OUTPUT"), ("nat", "POSTROUTING")],
            };
            let mut flows = vec![flow];
            for (table, chain) in hooks {
                flows = self.hook(table, chain, true, known, flows, &mut ended)?;
            }
            ended.extend(flows.into_iter().map(|flow| (flow, Verdict::Passed)));
        }
        Ok(ended)
    }

    /// Sends packets through one of the kernel's chains; returns those that go on.
    fn hook(
        &self,
        table: &str,
        chain: &str,
        routed: bool,
        known: &BTreeSet<String>,
        flows: Vec<Flow>,
        ended: &mut Vec<(Flow, Verdict)>,
    ) -> Result<Vec<Flow>> {
        let Some(found) = self.chain(table, chain) else {
            return Ok(flows);
        };
        let hook = Hook { rules: self, table, routed, known };
        let mut passed = vec![];
        for flow in flows {
            for (flow, exit) in hook.traverse(&found.rules, flow, 0)? {
                match exit {
                    Exit::Return if found.policy.as_deref() == Some("DROP") => ended.push((flow, Verdict::Dropped)),
                    Exit::Return | Exit::Accept => passed.push(flow),
                    Exit::Drop => ended.push((flow, Verdict::Dropped)),
                    Exit::Reject(with) => ended.push((flow, Verdict::Rejected(with))),
                }
            }
        }
        Ok(passed)
    }
}

impl Hook<'_> {
    fn traverse(&self, rules: &[Rule], flow: Flow, depth: usize) -> Result<Vec<(Flow, Exit)>> {
        if depth > DEPTH {
            bail!("chains of the table {} are nested deeper than {DEPTH}", self.table);
        }
        let mut left = vec![];
        let mut here = vec![flow];
        for rule in rules {
            let mut next = vec![];
            for flow in here {
                let (hit, missed) = self.test(rule, flow);
                next.extend(missed);
                let Some(hit) = hit else { continue };
                for (flow, exit) in self.act(rule.target.as_ref(), hit, depth)? {
                    match exit {
                        None => next.push(flow),
                        Some(exit) => left.push((flow, exit)),
                    }
                }
            }
            here = next;
        }
        left.extend(here.into_iter().map(|flow| (flow, Exit::Return)));
        Ok(left)
    }

    /// Splits a packet into the part that the rule applies to and the part that goes on.
    fn test(&self, rule: &Rule, mut flow: Flow) -> (Option<Flow>, Option<Flow>) {
        let fails = |test: &Test| self.passes(&test.kind, &flow) == test.negated;
        // Chance decides among what passes everything else.
        if rule.tests.iter().any(|test| !matches!(test.kind, TestKind::Random(_)) && fails(test)) {
            return (None, Some(flow));
        }
        let mut rest = None;
        for test in &rule.tests {
            match &test.kind {
                TestKind::Random(probability) => {
                    let probability = if test.negated { 1.0 - probability } else { *probability };
                    if probability < 1.0 {
                        rest = Some(Flow { probability: flow.probability * (1.0 - probability), ..flow.clone() });
                    }
                    flow.probability *= probability;
                }
                TestKind::Remember(list) => drop(flow.remembered.insert(list.clone())),
                TestKind::Remembered { seconds, .. } => flow.recognised = Some(*seconds),
                _ => {}
            }
        }
        (Some(flow), rest)
    }

    fn passes(&self, test: &TestKind, flow: &Flow) -> bool {
        let packet = &flow.packet;
        match test {
            TestKind::Source(network) => network.contains(packet.source.ip()),
            TestKind::Destination(network) => network.contains(packet.destination.ip()),
            TestKind::Protocol(protocol) => packet.protocol == *protocol,
            TestKind::InInterface(name) => packet.in_interface.is_some_and(|interface| names(name, interface)),
            TestKind::OutInterface(name) => self.routed && names(name, out_interface(*packet.destination.ip())),
            TestKind::SourcePorts(ports) => ports.contains(&packet.source.port()),
            TestKind::DestinationPorts(ports) => ports.contains(&packet.destination.port()),
            TestKind::Mark(Masked { value, mask }) => packet.mark & mask == *value,
            TestKind::SourceIsLocal => is_local(*packet.source.ip()),
            TestKind::DestinationIsLocal => is_local(*packet.destination.ip()),
            TestKind::ConnectionState(states) => states.iter().any(|state| match state.as_str() {
                "NEW" => true,
                "DNAT" => flow.dnat,
                _ => false,
            }),
            TestKind::CameByBridgePort => packet.by_bridge_port,
            TestKind::Remembered { list, .. } => self.known.contains(list),
            TestKind::Random(_) | TestKind::Remember(_) => true,
        }
    }

    /// Does what a rule says; without an exit the packet goes on to the next rule.
    fn act(&self, target: Option<&RuleTarget>, mut flow: Flow, depth: usize) -> Result<Vec<(Flow, Option<Exit>)>> {
        let exit = match target {
            None => None,
            Some(RuleTarget::Accept) => Some(Exit::Accept),
            Some(RuleTarget::Drop) => Some(Exit::Drop),
            Some(RuleTarget::Reject(with)) => Some(Exit::Reject(with.clone())),
            Some(RuleTarget::Return) => Some(Exit::Return),
            Some(RuleTarget::Dnat(to)) => {
                flow.packet.destination = *to;
                flow.dnat = true;
                Some(Exit::Accept)
            }
            Some(RuleTarget::Redirect(port)) => {
                let own = if flow.packet.in_interface.is_none() { Ipv4Addr::LOCALHOST } else { crate::addresses::NODE };
                flow.packet.destination = SocketAddrV4::new(own, *port);
                flow.dnat = true;
                Some(Exit::Accept)
            }
            Some(RuleTarget::Masquerade { random_fully }) => {
                flow.masquerade = Some(*random_fully);
                Some(Exit::Accept)
            }
            Some(RuleTarget::Mark(Masked { value, mask })) => {
                flow.packet.mark = (flow.packet.mark & !mask) ^ value;
                None
            }
            Some(RuleTarget::Jump(chain)) => {
                let left = self.traverse(self.rules_of(chain)?, flow, depth + 1)?;
                let goes_on = |exit: Exit| (exit != Exit::Return).then_some(exit);
                return Ok(left.into_iter().map(|(flow, exit)| (flow, goes_on(exit))).collect());
            }
            Some(RuleTarget::Goto(chain)) => {
                let left = self.traverse(self.rules_of(chain)?, flow, depth + 1)?;
                return Ok(left.into_iter().map(|(flow, exit)| (flow, Some(exit))).collect());
            }
        };
        Ok(vec![(flow, exit)])
    }

    fn rules_of(&self, chain: &str) -> Result<&[Rule]> {
        let found = self.rules.chain(self.table, chain);
        Ok(&found.with_context(|| format!("there is no chain {chain} in the table {}", self.table))?.rules)
    }
}

/// Whether an interface is meant: `+` at the end stands for any ending.
fn names(pattern: &str, interface: &str) -> bool {
    pattern.strip_suffix('+').map_or(pattern == interface, |start| interface.starts_with(start))
}
