//! What the service manager and whoever looks after the node see of the running program.

use std::{os::unix::net::UnixDatagram, time::Duration};

use kube_proxy_diff::{
    addresses::Vantage,
    objects::{ObjectChange, Transport, service},
    world::{Implementation, IptablesVariant, World},
};

use crate::support::start;

const TIMEOUT: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs root, iptables, network namespaces and the SWIX in dist/"]
fn it_is_ready_for_systemd_when_its_rules_are_there_and_answers_for_its_health() {
    let (programs, api) = start();
    let there = service("ready", [10, 10, 9, 2].into()).port("web", Transport::Tcp, 80).build();
    api.with_client(|client| client.apply(&[ObjectChange::Put(there)])).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let notified = UnixDatagram::bind(&path).unwrap();
    notified.set_read_timeout(Some(TIMEOUT)).unwrap();

    let mut world = World::new("ready", &api, IptablesVariant::Legacy).unwrap();
    let mut program = world.program(Implementation::Ours, &programs, &api, &[]);
    program.environment.push(("NOTIFY_SOCKET".to_owned(), path.display().to_string()));
    world.start_proxy(&program, &api).unwrap();
    let mut message = [0; 4096];
    loop {
        let length = notified.recv(&mut message).expect("it says that it is ready");
        if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == "READY=1") {
            break;
        }
    }
    let rules = world.iptables_save().unwrap();
    assert!(rules.contains("-d 10.10.9.2/32"), "ready, and this is missing in\n{rules}");
    let ask = |at: &str| {
        let asked = world.netns(Vantage::Node).unwrap().enter(|| ureq::get(at).call()?.body_mut().read_to_string());
        asked.unwrap().unwrap_or_else(|error| panic!("{at}: {error}"))
    };
    assert!(ask("http://127.0.0.1:10256/healthz").contains("lastUpdated"));
    assert!(ask("http://127.0.0.1:10249/metrics").contains("kubeproxy_sync_proxy_rules_duration_seconds"));
    assert_eq!(ask("http://127.0.0.1:10249/proxyMode"), "iptables");
}
