//! Rules of models made at random.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use kube_proxy::iptables::{Features, IptablesSettings};
use kube_proxy::model::{Endpoint, EndpointState, Model, Place, Protocol, Service, ServicePort, TrafficPolicy};
use proptest::prelude::*;

use crate::golden::rules;
use crate::states::{add, empty, settings};

fn policy() -> impl Strategy<Value = TrafficPolicy> {
    prop_oneof![Just(TrafficPolicy::Cluster), Just(TrafficPolicy::Local)]
}

fn port() -> impl Strategy<Value = ServicePort> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
    ("[a-z\"\\\\' ]{0,70}", protocol, any::<u16>(), any::<Option<u16>>())
        .prop_map(|(name, protocol, port, node_port)| ServicePort { name: name.into(), protocol, port, node_port })
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn any_service() -> impl Strategy<Value = Service> {
    let addresses = || proptest::collection::vec(address(), 0..3).prop_map(Vec::into_boxed_slice);
    let range = (address(), 0..=32_u8).prop_map(|(ip, length)| ipnet::Ipv4Net::new_assert(ip, length));
    let ranges = proptest::collection::vec(range, 0..3).prop_map(Vec::into_boxed_slice);
    let ports = proptest::collection::vec(port(), 0..4).prop_map(Vec::into_boxed_slice);
    (address(), addresses(), addresses(), ranges, any::<Option<u32>>(), policy(), policy(), ports).prop_map(
        |(cluster_ip, external_ips, load_balancer_ips, ranges, affinity_seconds, external, internal, ports)| Service {
            cluster_ip,
            external_ips,
            load_balancer_ips,
            load_balancer_source_ranges: ranges,
            affinity_seconds,
            external_traffic_policy: external,
            internal_traffic_policy: internal,
            health_check_node_port: None,
            ports,
        },
    )
}

fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let place = prop_oneof![Just(Place::ThisNode), Just(Place::OtherNode), Just(Place::Unknown)];
    let state = prop_oneof![Just(EndpointState::Ready), Just(EndpointState::ServingTerminating)];
    (address(), any::<u16>(), place, state).prop_map(|(ip, port, place, state)| Endpoint { ip, port, place, state })
}

fn any_model() -> impl Strategy<Value = Model> {
    let services = (any_service(), proptest::collection::vec(any_endpoint(), 0..5));
    proptest::collection::vec(services, 0..5).prop_map(|services| {
        let mut model = empty();
        for (index, (service, behind)) in services.into_iter().enumerate() {
            add(&mut model, &format!("service-{index}"), service, &behind);
        }
        model
    })
}

fn any_settings() -> impl Strategy<Value = IptablesSettings> {
    (any::<bool>(), any::<bool>(), 0..32_u8, proptest::collection::vec(0..12_usize, 0..4)).prop_map(
        |(masquerade_all, pods, masquerade_bit, missing)| {
            let all = kube_proxy::iptables::Feature::ALL;
            let missing = missing.into_iter().filter_map(|index| all.get(index));
            let features = missing.fold(Features::all(), |features, &feature| features.without(feature));
            let cluster_cidr = settings().cluster_cidr.filter(|_| pods);
            IptablesSettings { masquerade_all, masquerade_bit, cluster_cidr, features, ..settings() }
        },
    )
}

/// Targets that are no chains.
const TARGETS: [&str; 6] = ["ACCEPT", "DROP", "REJECT", "RETURN", "MARK", "MASQUERADE"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_jump_leads_somewhere_and_every_chain_is_led_to(model in any_model(), settings in any_settings()) {
        let text = rules(&model, &settings);
        for table in text.split("COMMIT\n") {
            let chains: BTreeSet<&str> =
                table.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next()).collect();
            let mut led_to: BTreeSet<&str> = BTreeSet::from(["KUBE-MARK-MASQ", "KUBE-NODEPORTS"]);
            for line in table.lines().filter(|line| line.starts_with("-A ") || line.starts_with("-I ")) {
                let target = kube_proxy::iptables::target(line).expect("each rule has a target");
                prop_assert!(chains.contains(target) || TARGETS.contains(&target) || target == "DNAT", "{line}");
                led_to.insert(target);
            }
            for chain in chains {
                prop_assert!(chain.len() <= 28, "{chain}");
                prop_assert!(led_to.contains(chain), "nothing leads to {chain} in\n{text}");
            }
        }
    }

    #[test]
    fn rules_are_parsed_as_they_were_rendered(model in any_model(), settings in any_settings()) {
        for line in rules(&model, &settings).lines() {
            let words: Vec<&str> = kube_proxy::iptables::words(line).collect();
            prop_assert_eq!(words.join(" "), line);
        }
    }
}
