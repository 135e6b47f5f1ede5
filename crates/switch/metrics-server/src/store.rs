//! What is known: nodes and pods, and of each what it used when its kubelet was asked last.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::labels::LabelSet;
use crate::summary::{PodName, Readings};
use crate::usage::{Measured, OLDEST, Usage};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub address: Option<IpAddr>,
    pub ready: bool,
    pub labels: LabelSet,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub node: Box<str>,
    pub labels: LabelSet,
}

/// What one node's kubelet has said.
#[derive(Debug)]
struct Sample {
    taken: Instant,
    node: Option<Measured>,
    pods: BTreeMap<PodName, Box<[Container]>>,
}

#[derive(Debug)]
struct Container {
    name: Box<str>,
    /// None where its figures were not whole.
    measured: Option<Measured>,
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

    /// What a kubelet says now. Of a node that has gone meanwhile nothing is kept, nor of a pod that is not there by the API server.
    pub fn set_readings(&mut self, node: &str, readings: Readings, now: Instant) {
        if !self.nodes.as_ref().is_some_and(|nodes| nodes.contains_key(node)) {
            return;
        }
        let before = self.samples.remove(node);
        let known = self.pods.as_ref();
        let pods = readings.pods.into_iter().filter_map(|(name, containers)| {
            // With its name in memory once.
            let (name, _) = known?.get_key_value(&name).filter(|(_, pod)| *pod.node == *node)?;
            let of_before = before.as_ref().and_then(|sample| sample.pods.get(name)).map_or(&[][..], |earlier| earlier);
            let containers = containers.into_iter().map(|container| {
                let place = of_before.binary_search_by(|earlier| earlier.name.cmp(&container.name)).ok();
                let earlier = place.and_then(|place| of_before.get(place)?.measured.as_ref());
                let measured = container.reading.map(|reading| Measured::new(earlier, reading, now));
                Container { name: container.name, measured }
            });
            Some((name.clone(), containers.collect()))
        });
        let pods = pods.collect();
        let of_node = before.as_ref().and_then(|sample| sample.node.as_ref());
        let of_node = readings.node.map(|reading| Measured::new(of_node, reading, now));
        self.samples.insert(node.to_owned(), Sample { taken: now, node: of_node, pods });
    }

    /// Forgets what is too old to be given.
    pub fn forget_old(&mut self, now: Instant) {
        self.samples.retain(|_, sample| now.saturating_duration_since(sample.taken) <= OLDEST);
    }

    /// Every node that there is, with what it used where that is known.
    pub fn nodes(&self, now: Instant) -> impl Iterator<Item = (&str, &Node, Option<Usage>)> {
        self.nodes.iter().flatten().map(move |(name, node)| {
            let usage = self.samples.get(name).and_then(|sample| sample.node?.usage(now));
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
        let pods = pods.filter(move |(name, _)| namespace.is_none_or(|namespace| *name.0 == *namespace));
        pods.map(move |(name, pod)| (name, pod, self.of_pod(name, pod, now)))
    }

    fn of_pod(&self, name: &PodName, pod: &Pod, now: Instant) -> Option<Vec<(&str, Usage)>> {
        let containers = self.samples.get(&*pod.node)?.pods.get(name)?;
        let used = containers.iter().map(|container| Some((&*container.name, container.measured?.usage(now)?)));
        let used = used.collect::<Option<Vec<_>>>()?;
        (!used.is_empty()).then_some(used)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::summary;
    use crate::usage::{ROUND, Reading};

    fn reading(memory: u64) -> Reading {
        Reading { at: SystemTime::UNIX_EPOCH, cpu_time: Some(1), nanocores: Some(5), started: None, memory }
    }

    fn name(name: &str) -> PodName {
        ("x".into(), name.into())
    }

    fn container(name: &str, reading: Option<Reading>) -> summary::Container {
        summary::Container { name: name.into(), reading }
    }

    /// A node with pods of one container each.
    fn state(pods: &[&str], now: Instant) -> State {
        let mut state = State::default();
        state.set_nodes(BTreeMap::from([("n".to_owned(), Node { ready: true, ..Node::default() })]));
        let pod = Pod { node: "n".into(), labels: LabelSet::default() };
        state.set_pods(pods.iter().map(|pod_name| (name(pod_name), pod.clone())).collect());
        let pods = pods.iter().map(|pod| (name(pod), [container("c", Some(reading(1)))].into())).collect();
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
        state.set_pod(name("b"), Some(Pod { node: "another".into(), labels: LabelSet::default() }));
        assert_eq!(known(&state, now), (1, 0), "what ran under its name here was another");
        state.set_node("n".to_owned(), None);
        state.set_readings("n", Readings::default(), now);
        assert!(state.samples.is_empty() && state.nodes(now).next().is_none());
    }

    #[test]
    fn of_a_pod_all_containers_are_given_or_nothing() {
        let now = Instant::now();
        let mut state = state(&["a"], now);
        let containers = [container("c", Some(reading(1))), container("d", None)].into();
        state.set_readings("n", Readings { node: None, pods: BTreeMap::from([(name("a"), containers)]) }, now);
        assert_eq!(known(&state, now), (0, 0));
    }

    #[test]
    fn what_stands_still_in_a_kubelets_answers_is_not_given_for_ever() {
        let begin = Instant::now();
        let mut state = state(&["a"], begin);
        for round in 1..=4 {
            let now = begin + round * ROUND;
            let pods = BTreeMap::from([(name("a"), [container("c", Some(reading(1)))].into())]);
            state.set_readings("n", Readings { node: Some(reading(2)), pods }, now);
            assert_eq!(known(&state, now), if round < 4 { (1, 1) } else { (0, 0) }, "round {round}");
        }
    }

    #[test]
    fn of_pods_that_the_api_server_does_not_have_on_a_node_nothing_is_kept() {
        let mut state = state(&["a"], Instant::now());
        let pods = ["a", "b"].map(|pod| (name(pod), [container("c", Some(reading(1)))].into()));
        state.set_readings("n", Readings { node: None, pods: BTreeMap::from(pods) }, Instant::now());
        assert_eq!(state.samples["n"].pods.len(), 1);
    }

    #[test]
    #[ignore = "a measure of this process' memory: by itself, and not beside other tests"]
    fn sixty_four_nodes_of_a_hundred_pods_take_less_than_16_mib() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        let before = resident();
        let mut state = State::default();
        let nodes = (0..64).map(|node| format!("veos-l{node}.example.com")).collect::<Vec<_>>();
        let pod_name = |node: usize, pod: usize| -> PodName {
            (format!("namespace-{}", pod % 10).into(), format!("deployment-{node}-5d4f8c7b9-{pod:05}").into())
        };
        state.set_pods(BTreeMap::new());
        for (number, node) in nodes.iter().enumerate() {
            state.set_node(node.clone(), Some(Node { ready: true, ..Node::default() }));
            for pod in 0..100 {
                let labels = ["app.kubernetes.io/name", "app.kubernetes.io/part-of", "pod-template-hash"];
                let labels = labels.map(|key| (key.to_owned(), format!("value-{pod}")));
                let labels = BTreeMap::from(labels).into();
                state.set_pod(pod_name(number, pod), Some(Pod { node: node.as_str().into(), labels }));
            }
        }
        for _ in 0..3 {
            for (number, node) in nodes.iter().enumerate() {
                let pods = (0..100).map(|pod| (pod_name(number, pod), [container("main", Some(reading(1)))].into()));
                state.set_readings(node, Readings { node: Some(reading(2)), pods: pods.collect() }, Instant::now());
            }
        }
        let grown = resident().saturating_sub(before);
        assert_eq!(known(&state, Instant::now()), (64, 6400));
        println!("{grown} KiB");
        assert!(grown < 16 * 1024, "{grown} KiB");
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
