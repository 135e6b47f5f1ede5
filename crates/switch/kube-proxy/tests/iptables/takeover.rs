//! What an upstream kube-proxy, kubelet and others left: taken over, removed or left alone.

use kube_proxy::backend::Backend;
use kube_proxy::iptables::{Table, clean_up, remove};
use kube_proxy::options::ProxyMode;

use crate::real::with_each_variant;
use crate::states::{many, one, remote, service};
use crate::sync::started;

/// As upstream and kubelet 1.20 leave the tables, with an older upstream's jump, what upstream since 1.21 has in `filter`, its userspace mode's chains, and what others have.
const BEFORE: &str = r#"*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-MARK-DROP - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-XLB-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-PORTALS-HOST - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:KOE-POSTROUTING - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "handle ClusterIPs; NOTE: this must be before the NodePort rules" -j KUBE-PORTALS-HOST
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -j KOE-POSTROUTING
-A KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SERVICES -d 10.10.9.9/32 -p tcp -m comment --comment "default/gone cluster IP" -m tcp --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "default/gone" -j KUBE-SEP-AAAAAAAAAAAAAAAA
-A KUBE-SEP-AAAAAAAAAAAAAAAA -p tcp -m comment --comment "default/gone" -m tcp -j DNAT --to-destination 10.16.9.9:80
-A KUBE-XLB-AAAAAAAAAAAAAAAA -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-PORTALS-HOST -d 10.10.9.9/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 1.1.1.1:33333
COMMIT
*filter
:KUBE-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:DOCKER - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -j DOCKER
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/gone:http health check node port" -m tcp --dport 31234 -j ACCEPT
COMMIT
"#;

/// What is neither ours nor upstream's kube-proxy's, of `BEFORE`.
const OF_OTHERS: [&str; 12] = [
    ":KUBE-MARK-DROP -",
    ":KUBE-KUBELET-CANARY -",
    "-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
    "-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING",
    "-A POSTROUTING -j KOE-POSTROUTING",
    "-A KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000",
    "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
    "-A INPUT -j KUBE-FIREWALL",
    "-A FORWARD -j DOCKER",
    "-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP",
];

fn assert_of_others_stand(tables: &str) {
    for desired in OF_OTHERS {
        assert!(tables.lines().any(|line| line == desired), "{desired}\nis not in\n{tables}");
    }
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn upstreams_rules_are_taken_over_in_place() {
    with_each_variant(|real| {
        real.restore(BEFORE);
        started(&real.tool, &one(service(), &remote(1)));
        let tables = real.tables();
        assert_of_others_stand(&tables);
        for gone in ["AAAAAAAAAAAAAAAA", "PORTALS", "PROXY-CANARY", "default/gone"] {
            assert!(!tables.contains(gone), "{gone} is still in\n{tables}");
        }
        let portals = "--comment \"kubernetes service portals\" -j KUBE-SERVICES";
        let from =
            |chain: &str| tables.lines().filter(|line| line.starts_with(chain) && line.ends_with(portals)).count();
        assert_eq!(from("-A PREROUTING "), 1);
        assert_eq!(from("-A OUTPUT "), 2, "in nat and in filter");
        assert_eq!(from("-A INPUT "), 0, "an older upstream's");
        assert_eq!(tables.matches("-j KUBE-POSTROUTING").count(), 1);
        assert_eq!(tables.matches("-j KUBE-FORWARD").count(), 1);
        assert!(!real.saved(Table::Filter).contains("KUBE-NODEPORTS"), "1.21's\n{tables}");
        let written = real.written();
        for right in [":KUBE-MARK-MASQ", ":KUBE-POSTROUTING", "-I PREROUTING"] {
            assert!(!written.contains(right), "{right} was right, and written all the same:\n{written}");
        }
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn cleaning_up_leaves_what_is_not_of_a_kube_proxy() {
    with_each_variant(|real| {
        real.restore(BEFORE);
        started(&real.tool, &many(5, 3));
        assert!(clean_up(&real.tool).expect("cleaned up"));
        let tables = real.tables();
        assert_of_others_stand(&tables);
        for gone in ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-FORWARD", "KUBE-EXTERNAL", "KUBE-PROXY", "KUBE-S"] {
            assert!(!tables.contains(gone), "{gone} is still in\n{tables}");
        }
        real.written();
        assert!(!clean_up(&real.tool).expect("cleaned up"), "a second time there is nothing to do");
        assert_eq!(real.written(), "");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn one_modes_rules_are_removed_without_the_others() {
    with_each_variant(|real| {
        real.restore(BEFORE);
        assert!(remove(&real.tool, &[ProxyMode::Iptables]).expect("removed"));
        let tables = real.tables();
        assert!(tables.contains("-j KUBE-PORTALS-HOST") && !tables.contains("KUBE-SVC-"));
        assert!(remove(&real.tool, &[ProxyMode::Userspace]).expect("removed"));
        assert!(!real.tables().contains("PORTALS"));
        assert_of_others_stand(&real.tables());
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn rules_in_the_other_variant_are_removed() {
    with_each_variant(|real| {
        let other = real.tool.other_variant().expect("both are installed");
        other.restore(&mut |out| out.write_all(BEFORE.as_bytes())).expect("restored");
        started(&real.tool, &one(service(), &remote(1)));
        let mut left = String::new();
        other.save(Table::Nat, &mut |line| left.push_str(line)).expect("saved");
        assert!(!left.contains("KUBE-SVC") && left.contains("KUBE-MARK-DROP"), "{left}");
    });
}

/// Chains of an earlier kube-proxy's, to which somebody's own chain leads.
const HELD: &str = "*nat
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-PORTALS-HOST - [0:0]
:OTHERS - [0:0]
-A KUBE-SVC-AAAAAAAAAAAAAAAA -j RETURN
-A KUBE-PORTALS-HOST -j RETURN
-A OTHERS -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A OTHERS -g KUBE-PORTALS-HOST
COMMIT
";

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn an_unwanted_chain_that_others_lead_to_is_emptied_once_and_removed_when_nobody_does() {
    with_each_variant(|real| {
        real.restore(HELD);
        let model = one(service(), &remote(1));
        let mut backend = started(&real.tool, &model);
        let tables = real.tables();
        assert!(tables.contains("10.16.0.1:8080"), "{tables}");
        let written = real.written();
        assert_eq!(written.matches("*nat").count(), 1, "nothing fails that has to be tried otherwise: {written}");
        for held in ["KUBE-SVC-AAAAAAAAAAAAAAAA", "KUBE-PORTALS-HOST"] {
            assert!(tables.contains(&format!(":{held} -")) && !tables.contains(&format!("-A {held} ")), "{tables}");
        }
        assert!(!backend.check_fully(&model).expect("checked"), "what cannot be removed is no disturbance");
        real.restore("*nat\n-A OTHERS -p tcp -j RETURN\nCOMMIT\n");
        assert!(!backend.check(&model).expect("checked"));
        assert_eq!(real.written(), "");
        real.restore("*nat\n-A KUBE-PORTALS-HOST -j ACCEPT\nCOMMIT\n");
        assert!(backend.check(&model).expect("checked"), "it is emptied again");
        assert!(!real.tables().contains("-A KUBE-PORTALS-HOST"));
        real.restore("*nat\n-F OTHERS\nCOMMIT\n");
        assert!(backend.check(&model).expect("checked"));
        assert!(!real.tables().contains("AAAAAAAAAAAAAAAA") && !real.tables().contains("PORTALS"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn cleaning_up_empties_what_others_lead_to_and_removes_all_else() {
    with_each_variant(|real| {
        real.restore(HELD);
        started(&real.tool, &one(service(), &remote(1)));
        assert!(clean_up(&real.tool).expect("cleaned up"));
        let tables = real.tables();
        assert!(tables.contains(":KUBE-SVC-AAAAAAAAAAAAAAAA") && !tables.contains("KUBE-SERVICES"), "{tables}");
        assert!(!tables.contains("-A KUBE-SVC-"), "{tables}");
        assert!(!clean_up(&real.tool).expect("cleaned up"), "a second time there is nothing to do");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_jump_that_leads_only_some_is_not_taken_for_the_one_that_leads_all() {
    with_each_variant(|real| {
        real.restore("*nat\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -s 10.0.0.0/8 -j KUBE-SERVICES\nCOMMIT\n");
        started(&real.tool, &one(service(), &remote(1)));
        let tables = real.tables();
        let jumps: Vec<&str> = tables
            .lines()
            .filter(|line| line.starts_with("-A PREROUTING") && line.ends_with("-j KUBE-SERVICES"))
            .collect();
        assert_eq!(jumps, ["-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES"]);
    });
}
