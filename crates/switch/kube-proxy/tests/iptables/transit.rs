//! What only passes through is not tracked: the chain of the table `raw`, on real iptables.

use std::collections::BTreeSet;
use std::process::Command;

use kube_proxy::backend::Backend;
use kube_proxy::iptables::{Iptables, Table, clean_up};
use kube_proxy::model::Model;
use kube_proxy::transit::{BesideTransit, Local, Transit};

use crate::real::{Real, with_each_variant};
use crate::states::{add, empty, external_service, one, remote, settings};

/// What a switch's unit says.
fn started(real: &Real, model: &Model) -> BesideTransit {
    let bridge = "kube0".to_owned();
    let local = |range: &str| range.parse().expect("it is a range");
    let local = Local { bridge, pods: local("10.16.0.0/24"), services: local("10.10.0.0/22") };
    let transit = Transit::new(real.tool.clone(), local).expect("this machine can leave connections out");
    let backend = Iptables::new(real.tool.clone(), settings());
    let mut backend = BesideTransit::new(transit, Box::new(backend));
    backend.sync(model, &BTreeSet::new()).expect("the first sync succeeds");
    backend
}

fn raw(real: &Real) -> String {
    let saved = real.saved(Table::Raw);
    saved.lines().filter(|line| line.starts_with("-A ")).map(|line| format!("{line}\n")).collect()
}

const EXPECTED: &str = "\
-A PREROUTING -j KUBE-TRANSIT
-A KUBE-TRANSIT -i lo -j RETURN
-A KUBE-TRANSIT -i kube0 -j RETURN
-A KUBE-TRANSIT -i docker+ -j RETURN
-A KUBE-TRANSIT -i br-+ -j RETURN
-A KUBE-TRANSIT -m addrtype ! --dst-type UNICAST -j RETURN
-A KUBE-TRANSIT -d 10.16.0.0/24 -j RETURN
-A KUBE-TRANSIT -d 10.10.0.0/22 -j RETURN
-A KUBE-TRANSIT -d 192.0.2.1/32 -j RETURN
-A KUBE-TRANSIT -d 192.0.2.2/32 -j RETURN
-A KUBE-TRANSIT -m comment --comment \"what only passes through this node is not tracked\" -j CT --notrack
";

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn all_is_left_out_but_what_is_for_this_node_its_pods_and_services() {
    let model = one(external_service(), &remote(2));
    with_each_variant(|real| {
        let mut backend = started(real, &model);
        assert_eq!(raw(real), EXPECTED);
        real.written();
        assert!(!backend.check(&model).expect("checked") && !backend.check_fully(&model).expect("checked"));
        started(real, &model);
        assert_eq!(real.written(), "", "what stands is not written again, after a restart either");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn an_address_of_a_service_is_tracked_before_its_rules_are_there_and_no_longer_than_it_is_one() {
    with_each_variant(|real| {
        let mut model = empty();
        let mut backend = started(real, &model);
        assert!(!raw(real).contains("192.0.2.1"));
        real.written();
        let touched = add(&mut model, "web", external_service(), &remote(1));
        backend.sync(&model, &touched).expect("synced");
        let written = real.written();
        let (tracked, translated) = (written.find("-A KUBE-TRANSIT -d 192.0.2.1/32"), written.find("*nat"));
        assert!(tracked.is_some() && tracked < translated, "{written}");
        backend.sync(&empty(), &touched).expect("synced");
        assert!(!raw(real).contains("192.0.2.1"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_others_take_away_or_add_is_repaired() {
    let model = one(external_service(), &remote(1));
    with_each_variant(|real| {
        let mut backend = started(real, &model);
        for change in [
            "-F KUBE-TRANSIT",
            "-F PREROUTING",
            "-D PREROUTING -j KUBE-TRANSIT\n-X KUBE-TRANSIT",
            "-A PREROUTING -j KUBE-TRANSIT",
            "-I KUBE-TRANSIT -j CT --notrack",
        ] {
            let flush = if change.starts_with("-D") { "-F KUBE-TRANSIT\n" } else { "" };
            real.restore(&format!("*raw\n{flush}{change}\nCOMMIT\n"));
            assert!(backend.check(&model).expect("checked"), "{change}");
            assert_eq!(raw(real), EXPECTED, "{change}");
            assert!(!backend.check(&model).expect("checked"), "{change}");
        }
        real.restore("*raw\n-A PREROUTING -s 192.0.2.9/32 -j ACCEPT\nCOMMIT\n");
        backend.check_fully(&model).expect("checked");
        assert!(raw(real).contains("-A PREROUTING -s 192.0.2.9/32 -j ACCEPT"), "others' rules stay");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_rule_in_the_place_of_ours_between_a_write_and_the_look_at_it_is_found_by_the_next_full_check() {
    let model = one(external_service(), &remote(2));
    with_each_variant(|real| {
        let is_there = format!("iptables-{}-save -t raw | grep -q 'A KUBE-TRANSIT'", real.tool.variant());
        real.meddle("restore", &is_there, "-t raw -R KUBE-TRANSIT 1 -s 192.0.2.9/32 -j RETURN");
        let mut backend = started(real, &model);
        assert!(real.was_meddled_with() && raw(real).contains("192.0.2.9"));
        real.meddle_no_more();
        assert!(backend.check_fully(&model).expect("checked"));
        assert_eq!(raw(real), EXPECTED);
        assert!(!backend.check_fully(&model).expect("checked"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn an_operator_s_own_translation_of_addresses_keeps_everything_tracked() {
    let model = one(external_service(), &remote(1));
    with_each_variant(|real| {
        let rule = "POSTROUTING -s 198.51.100.0/24 -o eth1 -j MASQUERADE";
        real.restore(&format!("*nat\n-A {rule}\nCOMMIT\n"));
        let mut backend = started(real, &model);
        assert_eq!(raw(real), "", "it is needed from the beginning");
        // The cheap check of every second comes first.
        let mut check = || {
            backend.check(&model).expect("checked");
            assert!(backend.check_fully(&model).expect("checked"));
            assert!(!backend.check(&model).expect("checked") && !backend.check_fully(&model).expect("checked"));
        };
        real.restore(&format!("*nat\n-D {rule}\nCOMMIT\n"));
        check();
        assert_eq!(raw(real), EXPECTED);
        real.restore(&format!("*nat\n-A {rule}\nCOMMIT\n"));
        check();
        assert_eq!(raw(real), "", "it is needed again");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_is_for_docker_s_containers_is_tracked() {
    let model = one(external_service(), &remote(1));
    with_each_variant(|real| {
        let mut backend = started(real, &model);
        for words in ["link add br-0a1b2c3d4e5f type bridge", "address add 172.18.0.1/16 dev br-0a1b2c3d4e5f"] {
            let done = Command::new("ip").args(words.split(' ')).status().expect("ip can be run");
            assert!(done.success(), "ip {words}");
        }
        // As Docker does for the new network.
        real.restore("*nat\n-A POSTROUTING -s 172.18.0.0/16 ! -o br-0a1b2c3d4e5f -j MASQUERADE\nCOMMIT\n");
        backend.check(&model).expect("checked");
        backend.check_fully(&model).expect("checked");
        assert!(raw(real).contains("-A KUBE-TRANSIT -d 172.18.0.0/16 -j RETURN\n"), "{}", raw(real));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn nothing_is_left_of_it_after_a_cleanup() {
    let model = one(external_service(), &remote(1));
    with_each_variant(|real| {
        started(real, &model);
        assert!(clean_up(&real.tool).expect("cleaned up"));
        assert!(!real.saved(Table::Raw).contains("KUBE-"));
        assert!(!clean_up(&real.tool).expect("nothing to clean up"));
    });
}
