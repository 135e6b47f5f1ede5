//! One rule set for each feature, as `--print-rules` shows it, against the files in `tests/golden/iptables`.
//! `UPDATE_GOLDEN=1 cargo test -p kube-proxy --test iptables golden` writes them anew.

use std::path::Path;

use kube_proxy::iptables::{Feature, Features, IptablesSettings, print_rules};
use kube_proxy::model::{Endpoint, EndpointState, Model, Place, Protocol, Service, ServiceName, TrafficPolicy};

use crate::states::{add, empty, endpoint, external_service, one, port, remote, service, settings};

pub fn rules(model: &Model, settings: &IptablesSettings) -> String {
    let mut text = Vec::new();
    print_rules(model, settings, &mut text).expect("memory takes it");
    String::from_utf8(text).expect("rules are text")
}

fn golden(name: &str, model: &Model, settings: &IptablesSettings) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/iptables").join(name);
    let rules = rules(model, settings);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &rules).expect("the golden file can be written");
    }
    let desired = std::fs::read_to_string(&file).expect("there is a golden file");
    assert_eq!(rules, desired, "{} differs", file.display());
}

/// Two here, one elsewhere, one that says not where it is.
fn mixed() -> Vec<Endpoint> {
    let mut endpoints = vec![endpoint(1, Place::ThisNode), endpoint(2, Place::ThisNode)];
    endpoints.extend([endpoint(3, Place::OtherNode), endpoint(4, Place::Unknown)]);
    endpoints
}

#[test]
fn no_services() {
    golden("no-services", &empty(), &settings());
}

#[test]
fn cluster_ip_with_endpoints_elsewhere() {
    golden("cluster-ip", &one(service(), &remote(3)), &settings());
}

#[test]
fn endpoints_that_may_ask_themselves() {
    golden("hairpin", &one(service(), &mixed()), &settings());
}

#[test]
fn several_ports_and_protocols() {
    let ports = [port("http", Protocol::Tcp, 80), port("dns", Protocol::Udp, 53), port("m3ua", Protocol::Sctp, 2905)];
    golden("several-ports", &one(Service { ports: ports.into(), ..service() }, &remote(2)), &settings());
}

#[test]
fn a_port_without_a_name() {
    let ports = [port("", Protocol::Tcp, 443)];
    golden("port-without-name", &one(Service { ports: ports.into(), ..service() }, &remote(1)), &settings());
}

#[test]
fn external_addresses() {
    golden("external", &one(external_service(), &remote(2)), &settings());
}

#[test]
fn node_ports_at_some_addresses() {
    let ranges = ["10.0.0.0/8", "192.0.2.7/32"].map(|range| range.parse().expect("it is a range"));
    let settings = IptablesSettings { nodeport_addresses: ranges.into(), ..settings() };
    let mut model = one(external_service(), &remote(1));
    let mut nobody = external_service();
    nobody.cluster_ip = [10, 10, 0, 2].into();
    nobody.ports[0].node_port = Some(30081);
    add(&mut model, "nobody", nobody, &[]);
    golden("nodeport-addresses", &model, &settings);
}

#[test]
fn load_balancer_source_ranges() {
    let mut service = external_service();
    let ranges = ["198.51.100.0/24", "1.1.1.0/24"].map(|range| range.parse().expect("it is a range"));
    service.load_balancer_source_ranges = ranges.into();
    golden("source-ranges", &one(service, &remote(2)), &settings());
}

#[test]
fn session_affinity() {
    let service = Service { affinity_seconds: Some(10800), ..service() };
    golden("affinity", &one(service, &mixed()), &settings());
}

#[test]
fn external_policy_local_with_endpoints_here() {
    let service = Service { external_traffic_policy: TrafficPolicy::Local, ..external_service() };
    golden("external-local", &one(service, &mixed()), &settings());
}

#[test]
fn external_policy_local_with_endpoints_elsewhere_only() {
    let service = Service { external_traffic_policy: TrafficPolicy::Local, ..external_service() };
    golden("external-local-none-here", &one(service, &remote(2)), &settings());
}

#[test]
fn external_policy_local_with_affinity() {
    let policy = TrafficPolicy::Local;
    let service = Service { external_traffic_policy: policy, affinity_seconds: Some(60), ..external_service() };
    golden("external-local-affinity", &one(service, &mixed()), &settings());
}

#[test]
fn internal_policy_local() {
    let policy = TrafficPolicy::Local;
    let service = Service { internal_traffic_policy: policy, ..service() };
    golden("internal-local", &one(service.clone(), &mixed()), &settings());
    golden("internal-local-none-here", &one(service, &remote(2)), &settings());
}

#[test]
fn both_policies_local() {
    let policy = TrafficPolicy::Local;
    let service = Service { internal_traffic_policy: policy, external_traffic_policy: policy, ..external_service() };
    golden("both-local", &one(service, &mixed()), &settings());
}

#[test]
fn no_endpoints() {
    golden("no-endpoints", &one(external_service(), &[]), &settings());
}

#[test]
fn terminating_endpoints_where_none_is_ready() {
    let mut endpoints = mixed();
    for endpoint in &mut endpoints {
        endpoint.state = EndpointState::ServingTerminating;
    }
    golden("terminating", &one(service(), &endpoints), &settings());
    endpoints[0].state = EndpointState::Ready;
    golden("terminating-but-one", &one(service(), &endpoints), &settings());
}

/// What conntrack takes for invalid is dropped on its way from pods and to them, and nothing that only passes through.
#[test]
fn pods_on_a_bridge() {
    let settings = IptablesSettings { pod_bridge: Some("kube0".to_owned()), ..settings() };
    let service = Service { external_traffic_policy: TrafficPolicy::Local, ..external_service() };
    golden("pod-bridge", &one(service, &mixed()), &settings);
}

#[test]
fn everything_masqueraded() {
    let settings = IptablesSettings { masquerade_all: true, masquerade_bit: 0, ..settings() };
    golden("masquerade-all", &one(service(), &remote(1)), &settings);
}

#[test]
fn no_cluster_cidr() {
    let settings = IptablesSettings { cluster_cidr: None, ..settings() };
    let service = Service { external_traffic_policy: TrafficPolicy::Local, ..external_service() };
    golden("no-cluster-cidr", &one(service, &mixed()), &settings);
}

#[test]
fn a_kernel_with_only_what_there_must_be() {
    let features = [Feature::Dnat, Feature::Masquerade, Feature::Mark, Feature::Statistic];
    let features = features.into_iter().fold(Features::NONE, Features::with);
    let mut service = external_service();
    service.affinity_seconds = Some(60);
    service.ports = [service.ports[0].clone(), port("m3ua", Protocol::Sctp, 2905)].into();
    let mut model = one(service, &remote(2));
    let nobody = Service { cluster_ip: [10, 10, 0, 2].into(), ..external_service() };
    add(&mut model, "nobody", nobody, &[]);
    golden("bare-kernel", &model, &IptablesSettings { features, ..settings() });
}

#[test]
fn names_at_their_length_limit() {
    let mut model = empty();
    let long = "n".repeat(63);
    let mut service = external_service();
    service.load_balancer_source_ranges = ["198.51.100.0/24".parse().expect("it is a range")].into();
    service.ports = [port(&"p".repeat(63), Protocol::Tcp, 80)].into();
    let name = ServiceName::new(&long, &"s".repeat(63));
    let mut touched = Default::default();
    model.apply(crate::states::endpoints(&name, &service.ports[0], &remote(2)), &mut touched);
    model.apply(kube_proxy::model::Change::Service(name, Some(service)), &mut touched);
    golden("long-names", &model, &settings());
}
