//! The backend on real iptables: spelling, idempotence, differences and repair.

use std::collections::BTreeSet;
use std::fs;

use kube_proxy::backend::Backend;
use kube_proxy::iptables::{Iptables, Tool};
use kube_proxy::model::{Change, Endpoint, Model, Place, Protocol, Service, TrafficPolicy};

use crate::real::{Real, with_each_variant, write_program};
use crate::states::{add, endpoint, endpoints, external_service, many, name, port, remote, service, settings};

/// Every kind of rule.
pub fn everything() -> Model {
    let mut model = many(8, 3);
    let mut rich = external_service();
    rich.ports = [rich.ports[0].clone(), port("dns", Protocol::Udp, 53), port("m3ua", Protocol::Sctp, 2905)].into();
    rich.load_balancer_source_ranges = ["198.51.100.0/24".parse().expect("it is a range")].into();
    rich.affinity_seconds = Some(10800);
    let mixed = [endpoint(1, Place::ThisNode), endpoint(2, Place::OtherNode), endpoint(3, Place::Unknown)];
    add(&mut model, "rich", rich.clone(), &mixed);
    let local = TrafficPolicy::Local;
    let local = Service { external_traffic_policy: local, internal_traffic_policy: local, ..rich };
    add(&mut model, "local", Service { cluster_ip: [10, 10, 0, 2].into(), ..local.clone() }, &mixed);
    add(&mut model, "local-elsewhere", Service { cluster_ip: [10, 10, 0, 3].into(), ..local }, &remote(2));
    add(&mut model, "nobody", Service { cluster_ip: [10, 10, 0, 4].into(), ..external_service() }, &[]);
    model
}

pub fn started(tool: &Tool, model: &Model) -> Iptables {
    let mut backend = Iptables::new(tool.clone(), settings());
    backend.sync(model, &BTreeSet::new()).expect("the first sync succeeds");
    backend
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn rules_are_printed_back_as_they_were_written() {
    let model = everything();
    let printed = crate::golden::rules(&model, &settings());
    with_each_variant(|real| {
        started(&real.tool, &model);
        let tables = real.tables();
        for rule in printed.lines().filter(|line| line.starts_with("-A ")) {
            assert!(tables.lines().any(|line| line == rule), "{rule}\nis not in\n{tables}");
        }
        let ours = tables.lines().filter(|line| line.starts_with("-A KUBE-")).count();
        assert_eq!(ours, printed.lines().filter(|line| line.starts_with("-A ")).count());
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_stands_is_neither_written_again_nor_repaired() {
    let model = everything();
    with_each_variant(|real| {
        let mut backend = started(&real.tool, &model);
        assert_ne!(real.written(), "");
        assert!(!backend.check(&model).expect("checked"));
        assert!(!backend.check_fully(&model).expect("checked"));
        let all: BTreeSet<_> = model.services().map(|(name, _)| name.clone()).collect();
        backend.sync(&model, &all).expect("touched Services that are as they were");
        started(&real.tool, &model);
        assert_eq!(real.written(), "");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_change_of_endpoints_writes_the_chain_of_that_service_only() {
    with_each_variant(|real| {
        let mut model = many(20, 3);
        let mut backend = started(&real.tool, &model);
        real.written();
        let mut touched = BTreeSet::new();
        model.apply(endpoints(&name("service-7"), &service().ports[0], &remote(5)), &mut touched);
        backend.sync(&model, &touched).expect("synced");
        let written = real.written();
        let declared: Vec<_> = written.lines().filter(|line| line.starts_with(':')).collect();
        let services = declared.iter().filter(|line| line.starts_with(":KUBE-SVC-")).count();
        let endpoints = declared.iter().filter(|line| line.starts_with(":KUBE-SEP-")).count();
        // Of its three endpoints before, one was on this node and had a chain, which goes.
        assert_eq!((services, endpoints, declared.len()), (1, 1, 2), "{written}");
        assert_eq!(written.matches("COMMIT").count(), 1, "one table is touched");
        assert_eq!(real.tables().matches("-j DNAT --to-destination 10.16.0.").count(), 5);
        assert!(!backend.check(&model).expect("checked"), "own changes are nobody else's");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn the_rules_are_always_those_that_a_fresh_start_makes() {
    with_each_variant(|real| {
        let mut model = many(3, 2);
        let mut backend = started(&real.tool, &model);
        let rich = everything();
        let mut sync = |model: &Model, touched: &BTreeSet<_>| {
            backend.sync(model, touched).expect("synced");
            let printed = crate::golden::rules(model, &settings());
            let tables = real.tables();
            let rules = |text: &str| -> BTreeSet<String> {
                text.lines().filter(|line| line.starts_with("-A KUBE-")).map(str::to_owned).collect()
            };
            assert_eq!(rules(&tables), rules(&printed));
        };
        let mut touched = BTreeSet::new();
        for (name, service) in rich.services() {
            for port in &service.ports {
                let behind = rich.endpoints(name, &port.name, port.protocol);
                model.apply(endpoints(name, port, &behind), &mut touched);
            }
            model.apply(Change::Service(name.clone(), Some(service.clone())), &mut touched);
            sync(&model, &std::mem::take(&mut touched));
        }
        model.apply(endpoints(&name("rich"), &external_service().ports[0], &[]), &mut touched);
        sync(&model, &std::mem::take(&mut touched));
        for (name, _) in rich.services() {
            model.apply(Change::Service(name.clone(), None), &mut touched);
            sync(&model, &std::mem::take(&mut touched));
        }
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_others_flush_or_change_is_noticed_and_repaired() {
    let model = everything();
    with_each_variant(|real| {
        let mut backend = started(&real.tool, &model);
        let desired = real.tables();
        let damages = [
            "*nat\n-F\nCOMMIT\n",
            "*filter\n-F\nCOMMIT\n",
            "*nat\n-F\n-X\nCOMMIT\n",
            "*nat\n-F PREROUTING\nCOMMIT\n",
            "*nat\n-A KUBE-SERVICES -j RETURN\nCOMMIT\n",
            "*nat\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\nCOMMIT\n",
        ];
        for damage in damages {
            real.restore(damage);
            assert_ne!(real.tables(), desired);
            assert!(backend.check(&model).expect("checked"), "{damage}");
            assert_eq!(sorted(&real.tables()), sorted(&desired), "{damage}");
            assert!(!backend.check_fully(&model).expect("checked"), "{damage}");
        }
    });
}

/// A chain that was made anew comes last in iptables-legacy.
fn sorted(tables: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = tables.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn rules_of_others_are_left_alone_and_cost_no_writing() {
    let model = everything();
    with_each_variant(|real| {
        let mut backend = started(&real.tool, &model);
        real.restore("*nat\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n*filter\n:KUBE-FIREWALL - [0:0]\n-I INPUT -j KUBE-FIREWALL\nCOMMIT\n");
        assert!(!backend.check(&model).expect("checked"));
        assert_eq!(real.written(), "");
        let tables = real.tables();
        assert!(tables.contains("-j DOCKER") && tables.contains("-A INPUT -j KUBE-FIREWALL"));
    });
}

/// From now on iptables-save leaves `words` out of what it prints, as another version may.
fn save_without(real: &Real, words: &str) {
    let file = real.program("save");
    let save = fs::read_link(&file).expect("it is a link");
    fs::remove_file(&file).expect("the link can be removed");
    write_program(&file, &format!("#!/bin/sh\n'{}' \"$@\" | sed 's/{words}//'\n", save.display()));
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn rules_that_are_printed_otherwise_are_written_once_more_and_then_left() {
    let model = everything();
    with_each_variant(|real| {
        let mut backend = started(&real.tool, &model);
        save_without(real, " --mask 255.255.255.255");
        real.restore("*nat\n:OTHERS - [0:0]\nCOMMIT\n");
        assert!(backend.check(&model).expect("checked"));
        assert!(real.written().contains("--rsource"), "the rules in question are written");
        for others in ["OTHERS-2", "OTHERS-3"] {
            real.restore(&format!("*nat\n:{others} - [0:0]\nCOMMIT\n"));
            assert!(!backend.check(&model).expect("checked"));
            assert_eq!(real.written(), "");
        }
        real.restore("*nat\n-F KUBE-SERVICES\nCOMMIT\n");
        assert!(backend.check(&model).expect("checked"), "damage is still told from spelling");
        assert!(!real.tables().contains("KOES-"), "nothing is left of what was tried");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_is_flushed_between_a_repair_and_the_look_at_it_is_not_taken_for_spelling() {
    let model = everything();
    with_each_variant(|real| {
        let mut backend = started(&real.tool, &model);
        let desired = real.tables();
        real.restore("*nat\n-F\nCOMMIT\n");
        // What has been written since is empty again when it is read back.
        let name = format!("iptables-{}", real.tool.variant());
        let rules_are_back = format!("{name}-save -t nat | grep -q -- '-A KUBE-SERVICES'");
        real.meddle("save", &rules_are_back, "-t nat -F");
        assert!(backend.check(&model).expect("checked"));
        assert!(real.was_meddled_with());
        real.meddle_no_more();
        assert!(backend.check(&model).expect("checked"), "the flush is found");
        assert_eq!(sorted(&real.tables()), sorted(&desired));
        assert!(!backend.check_fully(&model).expect("checked"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_rule_in_the_place_of_ours_between_a_repair_and_the_look_at_it_is_not_taken_for_spelling() {
    let model = everything();
    with_each_variant(|real| {
        let mut backend = started(&real.tool, &model);
        let desired = real.tables();
        real.restore("*nat\n-F\nCOMMIT\n");
        // As many rules as before; where looks only count these, none shows a difference.
        real.meddle("restore", "true", "-t nat -R KUBE-NODEPORTS 1 -s 192.0.2.1/32 -j RETURN");
        assert!(backend.check(&model).expect("checked"));
        assert!(real.was_meddled_with());
        real.meddle_no_more();
        assert!(backend.check(&model).expect("checked"), "the other rule is found");
        assert_eq!(sorted(&real.tables()), sorted(&desired));
        assert!(!backend.check_fully(&model).expect("checked"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn chains_aside_that_an_end_in_the_middle_left_are_taken_away() {
    let model = many(2, 1);
    with_each_variant(|real| {
        real.restore("*nat\n:KOES-SERVICES - [0:0]\n-A KOES-SERVICES -j RETURN\nCOMMIT\n");
        let mut backend = started(&real.tool, &model);
        assert!(!real.tables().contains("KOES-"));
        assert!(!backend.check_fully(&model).expect("checked"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_others_write_between_our_write_and_our_look_is_repaired() {
    with_each_variant(|real| {
        let mut model = many(8, 3);
        real.meddle("restore", "true", "-t nat -F KUBE-SERVICES");
        let mut backend = started(&real.tool, &model);
        assert!(real.was_meddled_with(), "at the first sync");
        real.meddle_no_more();
        let printed = |model: &Model| crate::golden::rules(model, &settings());
        let stands = |model: &Model| {
            let (printed, tables) = (printed(model), real.tables());
            printed.lines().filter(|line| line.starts_with("-A ")).all(|rule| tables.lines().any(|line| line == rule))
        };
        assert!(backend.check(&model).expect("checked"));
        assert!(stands(&model));
        assert!(!backend.check(&model).expect("checked"));
        real.was_meddled_with();
        let touched = add(&mut model, "new", Service { cluster_ip: [10, 10, 0, 9].into(), ..service() }, &remote(1));
        backend.sync(&model, &touched).expect("synced");
        assert!(real.was_meddled_with(), "at a later one");
        real.meddle_no_more();
        assert!(backend.check(&model).expect("checked"));
        assert!(stands(&model));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn loopback_is_opened_to_the_routes_only_where_a_rule_guards_it() {
    let route_localnet = || fs::read_to_string("/proc/sys/net/ipv4/conf/all/route_localnet").expect("it is there");
    let model = many(2, 1);
    for guard in [
        "*filter\n:KUBE-FIREWALL - [0:0]\n-A INPUT -j KUBE-FIREWALL\n-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\nCOMMIT\n",
        "*mangle\n-A PREROUTING -d 127.0.0.0/8 ! -i lo -j DROP\nCOMMIT\n",
    ] {
        with_each_variant(|real| {
            fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "0").expect("it can be set");
            let mut backend = started(&real.tool, &model);
            assert_eq!(route_localnet(), "0\n", "kubelet of 1.12 makes no guard");
            real.restore(guard);
            backend.check_fully(&model).expect("checked");
            assert_eq!(route_localnet(), "1\n", "{guard}");
        });
    }
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn after_a_failure_everything_is_looked_at_again() {
    with_each_variant(|real| {
        let mut model = many(3, 2);
        let mut backend = started(&real.tool, &model);
        let touched = add(&mut model, "new", Service { cluster_ip: [10, 10, 0, 9].into(), ..service() }, &remote(1));
        let (program, aside) = (real.program("restore"), real.program("restore.aside"));
        fs::rename(&program, &aside).expect("it can be renamed");
        assert!(backend.sync(&model, &touched).is_err());
        fs::rename(&aside, &program).expect("it can be renamed");
        real.restore("*nat\n-F KUBE-SERVICES\nCOMMIT\n");
        backend.sync(&model, &touched).expect("synced");
        let printed = crate::golden::rules(&model, &settings());
        let tables = real.tables();
        assert!(printed.lines().filter(|line| line.starts_with("-A ")).all(|rule| tables.contains(rule)), "{tables}");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_hundred_thousand_endpoints_of_one_service_harm_no_other() {
    const HUGE: usize = 100_000;
    with_each_variant(|real| {
        let mut model = many(3, 3);
        let before = started(&real.tool, &model);
        let others = real.tables();
        drop(before);
        let behind: Vec<_> = (0..HUGE)
            .map(|number| Endpoint { ip: (0x0a40_0000 + number as u32).into(), ..endpoint(1, Place::OtherNode) })
            .collect();
        let touched = add(&mut model, "huge", Service { cluster_ip: [10, 10, 9, 9].into(), ..service() }, &behind);
        let mut backend = started(&real.tool, &model);
        let tables = real.tables();
        assert_eq!(tables.matches("--to-destination 10.6").count(), HUGE);
        assert!(!backend.check_fully(&model).expect("checked"));
        let mut gone = BTreeSet::new();
        model.apply(Change::Service(name("huge"), None), &mut gone);
        assert_eq!(gone, touched);
        backend.sync(&model, &gone).expect("synced");
        assert_eq!(sorted(&real.tables()), sorted(&others));
    });
}
