//! The metric that says how many rules there are, through the syncer, beside what real iptables prints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube_proxy::backend::{Backend, Periods};
use kube_proxy::iptables::{Iptables, Table};
use kube_proxy::metrics::Metrics;
use kube_proxy::model::{Change, Protocol};
use kube_proxy::news;
use kube_proxy::syncer::Syncer;
use kube_proxy::userspace::{Userspace, UserspaceSettings};

use crate::conntrack::reports;
use crate::real::{Real, with_each_variant};
use crate::states::{endpoints, external_service, name, port, remote, settings};

const TIMEOUT: Duration = Duration::from_secs(20);

fn counted(metrics: &Metrics) -> [usize; 2] {
    let text = metrics.text();
    Table::ALL.map(|table| {
        let sample = format!("kubeproxy_sync_proxy_rules_iptables_total{{table=\"{table}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&sample)).expect("it is there").parse().expect("a number")
    })
}

/// Rules in a kube-proxy's chains.
fn standing(real: &Real) -> [usize; 2] {
    Table::ALL.map(|table| real.saved(table).lines().filter(|line| line.starts_with("-A KUBE-")).count())
}

fn rules_are_counted_as_they_stand(real: &Real, backend: Box<dyn Backend>) {
    let metrics = Arc::new(Metrics::new());
    let periods = Periods { full_check: TIMEOUT, least_between_syncs: Duration::ZERO };
    let syncer = Syncer::new(backend, reports(&metrics), periods);
    let (news, arriving) = news::channel();
    let thread = std::thread::spawn(move || syncer.run(&arriving));
    let tell = |change| news.tell(change, None).expect("the syncer listens");
    let wait_for_other_than = |before: [usize; 2]| {
        let until = Instant::now() + TIMEOUT;
        loop {
            let (counted, standing) = (counted(&metrics), standing(real));
            if counted == standing && counted != before {
                return counted;
            }
            assert!(Instant::now() < until, "{counted:?} are counted and {standing:?} stand, after {before:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };

    let mut web = external_service();
    web.ports = [web.ports[0].clone(), port("dns", Protocol::Udp, 53)].into();
    tell(Change::AllEndpoints(BTreeMap::new()));
    tell(Change::AllServices([(name("web"), web.clone())].into()));
    let refused = wait_for_other_than([0, 0]);
    tell(endpoints(&name("web"), &web.ports[0], &remote(3)));
    let with_endpoints = wait_for_other_than(refused);
    // One port leads somewhere, the other is refused.
    assert!(with_endpoints.iter().all(|rules| *rules > 0), "{with_endpoints:?}");
    tell(Change::Service(name("web"), None));
    wait_for_other_than(with_endpoints);
    news.end();
    thread.join().expect("it ends");
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn the_iptables_mode_counts_its_rules_as_they_stand() {
    with_each_variant(|real| {
        rules_are_counted_as_they_stand(real, Box::new(Iptables::new(real.tool.clone(), settings())));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn the_userspace_mode_counts_its_rules_as_they_stand() {
    with_each_variant(|real| {
        let settings = UserspaceSettings {
            bind_address: [0, 0, 0, 0].into(),
            cluster_cidr: settings().cluster_cidr,
            node_port_addresses: Vec::new(),
            udp_timeout: Duration::from_secs(1),
        };
        let backend = Userspace::start(real.tool.clone(), &settings).expect("it starts");
        rules_are_counted_as_they_stand(real, Box::new(backend));
    });
}
