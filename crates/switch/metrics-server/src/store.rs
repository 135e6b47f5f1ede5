//! What is known: nodes and pods, and of each what it used when its kubelet was asked last.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::summary::{PodName, Readings};
use crate::usage::{Measured, Usage};

/// How often kubelets are asked.
pub const ROUND: Duration = Duration::from_secs(30);

/// What is older is not given: some rounds went by without an answer.
const OLDEST: Duration = Duration::from_secs(3 * ROUND.as_secs() + ROUND.as_secs() / 2);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub address: Option<IpAddr>,
    pub ready: bool,
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub node: String,
    pub labels: BTreeMap<String, String>,
}

/// What one node's kubelet has said.
#[derive(Debug)]
struct Sample {
    taken: Instant,
    node: Option<Measured>,
    pods: BTreeMap<PodName, BTreeMap<String, Option<Measured>>>,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct State {
    nodes: Option<BTreeMap<String, Node>>,
    pods: Option<BTreeMap<PodName, Pod>>,
    samples: BTreeMap<String, Sample>,
}

/// The same, for all who read and change it.
#[derive(Debug, Default)]
pub struct Shared(Mutex<State>);

impl Shared {
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        self.change(|state| read(state))
    }
}

impl State {
    /// Whether nodes and pods were listed.
    pub fn is_known(&self) -> bool {
        self.nodes.is_some() && self.pods.is_some()
    }

    pub fn set_nodes(&mut self, nodes: BTreeMap<String, Node>) {
        self.samples.retain(|name, _| nodes.contains_key(name));
        self.nodes = Some(nodes);
    }

    pub fn set_node(&mut self, name: String, node: Option<Node>) {
        let nodes = self.nodes.get_or_insert_default();
        match node {
            Some(node) => {
                nodes.insert(name, node);
            }
            None => {
                nodes.remove(&name);
                self.samples.remove(&name);
            }
        }
    }

    pub fn set_pods(&mut self, pods: BTreeMap<PodName, Pod>) {
        self.pods = Some(pods);
    }

    pub fn set_pod(&mut self, name: PodName, pod: Option<Pod>) {
        let pods = self.pods.get_or_insert_default();
        match pod {
            Some(pod) => pods.insert(name, pod),
            None => pods.remove(&name),
        };
    }

    /// The nodes whose kubelets can be asked, and where.
    pub fn to_ask(&self) -> Vec<(String, IpAddr)> {
        let nodes = self.nodes.iter().flatten().filter(|(_, node)| node.ready);
        nodes.filter_map(|(name, node)| Some((name.clone(), node.address?))).collect()
    }

    /// What a kubelet says now. Of a node that has gone meanwhile nothing is kept.
    pub fn set_readings(&mut self, node: &str, readings: Readings, taken: Instant) {
        if !self.nodes.as_ref().is_some_and(|nodes| nodes.contains_key(node)) {
            return;
        }
        let before = self.samples.remove(node);
        let before = before.as_ref();
        let pods = readings.pods.into_iter().map(|(pod, containers)| {
            let earlier = before.and_then(|sample| sample.pods.get(&pod));
            let containers = containers.into_iter().map(|(name, reading)| {
                let earlier = earlier.and_then(|containers| containers.get(&name)?.as_ref());
                let measured = reading.map(|reading| Measured::new(earlier, reading));
                (name, measured)
            });
            let containers = containers.collect();
            (pod, containers)
        });
        let pods = pods.collect();
        let of_node =
            readings.node.map(|reading| Measured::new(before.and_then(|sample| sample.node.as_ref()), reading));
        self.samples.insert(node.to_owned(), Sample { taken, node: of_node, pods });
    }

    /// Forgets what is too old to be given.
    pub fn forget_old(&mut self, now: Instant) {
        self.samples.retain(|_, sample| now.saturating_duration_since(sample.taken) <= OLDEST);
    }

    /// Every node that there is, with what it used where that is known.
    pub fn nodes(&self, now: Instant) -> impl Iterator<Item = (&str, &Node, Option<Usage>)> {
        self.nodes.iter().flatten().map(move |(name, node)| {
            let usage = self.sample(name, now).and_then(|sample| sample.node?.usage);
            (name.as_str(), node, usage)
        })
    }

    /// The pods of a namespace, or of all, with what their containers used where that is known of all of them.
    pub fn pods(
        &self,
        namespace: Option<&str>,
        now: Instant,
    ) -> impl Iterator<Item = (&PodName, &Pod, Option<Vec<(&str, Usage)>>)> {
        let pods = self.pods.iter().flatten();
        let pods = pods.filter(move |(name, _)| namespace.is_none_or(|namespace| name.0 == namespace));
        pods.map(move |(name, pod)| (name, pod, self.of_pod(name, pod, now)))
    }

    fn of_pod(&self, name: &PodName, pod: &Pod, now: Instant) -> Option<Vec<(&str, Usage)>> {
        let containers = self.sample(&pod.node, now)?.pods.get(name)?;
        let used = containers.iter().map(|(name, measured)| Some((name.as_str(), measured.as_ref()?.usage?)));
        let used = used.collect::<Option<Vec<_>>>()?;
        (!used.is_empty()).then_some(used)
    }

    fn sample(&self, node: &str, now: Instant) -> Option<&Sample> {
        self.samples.get(node).filter(|sample| now.saturating_duration_since(sample.taken) <= OLDEST)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::usage::Reading;

    fn reading(memory: u64) -> Reading {
        Reading { at: SystemTime::UNIX_EPOCH, cpu_time: Some(1), nanocores: Some(5), started: None, memory }
    }

    fn name(name: &str) -> PodName {
        ("x".to_owned(), name.to_owned())
    }

    /// A node with pods of one container each.
    fn state(pods: &[&str], now: Instant) -> State {
        let mut state = State::default();
        state.set_nodes(BTreeMap::from([("n".to_owned(), Node { ready: true, ..Node::default() })]));
        let pod = Pod { node: "n".to_owned(), labels: BTreeMap::new() };
        state.set_pods(pods.iter().map(|pod_name| (name(pod_name), pod.clone())).collect());
        let container = || BTreeMap::from([("c".to_owned(), Some(reading(1)))]);
        let pods = pods.iter().map(|pod| (name(pod), container())).collect();
        state.set_readings("n", Readings { node: Some(reading(2)), pods }, now);
        state
    }

    fn known(state: &State, now: Instant) -> (usize, usize) {
        let nodes = state.nodes(now).filter(|(_, _, usage)| usage.is_some()).count();
        (nodes, state.pods(None, now).filter(|(_, _, usage)| usage.is_some()).count())
    }

    #[test]
    fn what_is_old_is_not_given_and_is_forgotten() {
        let now = Instant::now();
        let mut state = state(&["a", "b"], now);
        assert_eq!(known(&state, now + OLDEST), (1, 2));
        let later = now + OLDEST + Duration::from_secs(1);
        assert_eq!(known(&state, later), (0, 0));
        state.forget_old(later);
        assert!(state.samples.is_empty());
    }

    #[test]
    fn pods_and_nodes_that_are_gone_or_elsewhere_are_not_given() {
        let now = Instant::now();
        let mut state = state(&["a", "b"], now);
        state.set_pod(name("a"), None);
        assert_eq!(known(&state, now), (1, 1));
        state.set_pod(name("b"), Some(Pod { node: "another".to_owned(), labels: BTreeMap::new() }));
        assert_eq!(known(&state, now), (1, 0), "what ran under its name here was another");
        state.set_node("n".to_owned(), None);
        state.set_readings("n", Readings::default(), now);
        assert!(state.samples.is_empty() && state.nodes(now).next().is_none());
    }

    #[test]
    fn of_a_pod_all_containers_are_given_or_nothing() {
        let now = Instant::now();
        let mut state = state(&["a"], now);
        let containers = BTreeMap::from([("c".to_owned(), Some(reading(1))), ("d".to_owned(), None)]);
        state.set_readings("n", Readings { node: None, pods: BTreeMap::from([(name("a"), containers)]) }, now);
        assert_eq!(known(&state, now), (0, 0));
    }

    #[test]
    fn only_ready_nodes_with_an_address_are_asked() {
        let address = Some(IpAddr::from([2, 2, 2, 2]));
        let nodes = [("a", address, true), ("b", None, true), ("c", address, false)];
        let mut state = State::default();
        assert!(!state.is_known() && state.to_ask().is_empty());
        for (name, address, ready) in nodes {
            state.set_node(name.to_owned(), Some(Node { address, ready, ..Node::default() }));
        }
        assert_eq!(state.to_ask().len(), 1);
    }
}
