//! With the rules that kube-proxy, portmap and the bridge plugin write, as `iptables -S` prints them, and with a real nat table.

use std::thread;

use common::netns;

use super::*;
use crate::program;

/// What is everybody's, and where portmap and the bridge plugin have their rules.
const SHARED_RULES: &str = r#"
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
"#;

/// Of a container with one port, masqueraded.
fn container(network: &str, mark: &str, port: u16) -> String {
    let comment = format!(r#"name: \"{network}\" id: \"{mark}\""#);
    format!(
        r#"
:CNI-DN-{mark} - [0:0]
:CNI-{mark} - [0:0]
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat {comment}" -m multiport --dports {port} -j CNI-DN-{mark}
-A CNI-DN-{mark} -s 10.16.0.0/24 -p tcp -m tcp --dport {port} -j CNI-HOSTPORT-SETMARK
-A CNI-DN-{mark} -p tcp -m tcp --dport {port} -j DNAT --to-destination 10.16.0.2:80
-A POSTROUTING -s 10.16.0.2/32 -m comment --comment "{comment}" -j CNI-{mark}
-A CNI-{mark} -d 10.16.0.0/24 -m comment --comment "{comment}" -j ACCEPT
-A CNI-{mark} ! -d 224.0.0.0/4 -m comment --comment "{comment}" -j MASQUERADE
"#
    )
}

const KUBE_PROXY: &str = r#"
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -j KUBE-SVC-A
"#;

/// What of the nat table is left of these rules, and what there would be had there been those of others alone.
fn left_and_expected(rules: &[&str], others: &[&str]) -> [String; 2] {
    let saved = || {
        let saved = program::new("iptables-save", "test").unwrap().args(["-t", "nat"]).read().unwrap();
        let mut lines: Vec<String> = saved
            .lines()
            .filter(|line| line.starts_with([':', '-']))
            .map(|line| line.split(" [").next().unwrap().to_owned())
            .collect();
        // Chains are printed as they were made.
        lines.sort();
        lines.join("\n")
    };
    let restore = |rules: &[&str]| {
        // A chain has to be there before a rule leads to it.
        let (chains, rules): (Vec<&str>, Vec<&str>) = rules
            .iter()
            .flat_map(|rules| rules.lines())
            .filter(|line| !line.is_empty())
            .partition(|line| line.starts_with(':'));
        let text = format!("*nat\n{}\n{}\nCOMMIT\n", chains.join("\n"), rules.join("\n"));
        program::new("iptables-restore", "test").unwrap().input(&text).unwrap().read().unwrap();
    };
    let apart = || {
        netns::unshare().unwrap();
        restore(rules);
        remove_of_kubernetes().unwrap();
        let left = saved();
        restore(others);
        [left, saved()]
    };
    thread::scope(|scope| scope.spawn(apart).join().unwrap())
}

#[test]
#[ignore = "needs root, for a network namespace, and iptables"]
fn other_networks_keep_their_chains_and_what_they_share_with_ours() {
    let [ours, theirs, similar] =
        [(PACKAGE, "aaaa", 80), ("podman", "bbbb", 81), ("not-kubernetes-on-eos", "cccc", 82)]
            .map(|(network, mark, port)| container(network, mark, port));
    let others =
        [":DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER", SHARED_RULES, &theirs, &similar];
    let [left, expected] = left_and_expected(&[&others[..], &[&ours, KUBE_PROXY]].concat(), &others);
    assert_eq!(left, expected);
    assert!(left.contains("-A CNI-DN-bbbb -p tcp") && left.contains("-j CNI-DN-cccc"), "{left}");
}

#[test]
#[ignore = "needs root, for a network namespace, and iptables"]
fn nothing_is_left_where_no_other_network_shares_it() {
    let ours = [1, 2].map(|number| container(PACKAGE, &format!("aaaa{number}"), 80 + number));
    let [left, expected] = left_and_expected(&[SHARED_RULES, &ours[0], &ours[1], KUBE_PROXY], &[]);
    assert_eq!(left, expected);
    // Of a container whose chain nothing leads to, nobody can say whose it is; what it leads to stays with it.
    let orphan =
        ":CNI-DN-dddd - [0:0]\n-A CNI-DN-dddd -s 10.88.0.0/24 -p tcp -m tcp --dport 83 -j CNI-HOSTPORT-SETMARK";
    let [left, expected] = left_and_expected(&[SHARED_RULES, &ours[0], orphan], &[SHARED_RULES, orphan]);
    assert_eq!(left, expected);
}

#[test]
fn only_kubernetes_chains_and_the_rules_that_lead_to_them_are_removed() {
    let listed = "-P PREROUTING ACCEPT\n-N DOCKER\n-N KUBE-SERVICES\n-N KUBE-SVC-A\n\
        -A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
        -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A KUBE-SERVICES -j KUBE-SVC-A\n";
    let expected = "-D PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
        -F KUBE-SERVICES\n-F KUBE-SVC-A\n-X KUBE-SERVICES\n-X KUBE-SVC-A\n";
    assert_eq!(removal(listed), expected);
    assert_eq!(removal("-P PREROUTING ACCEPT\n-N DOCKER\n"), "");
}

#[test]
fn what_portmap_1_1_1_has_written_for_two_networks_is_told_apart() {
    let listed = r#"-P PREROUTING ACCEPT
-N CNI-DN-49ea454c5be6b7b6b539f
-N CNI-DN-b6e73c47f141412d5e1df
-N CNI-HOSTPORT-DNAT
-N CNI-HOSTPORT-MASQ
-N CNI-HOSTPORT-SETMARK
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-DN-49ea454c5be6b7b6b539f -s 10.16.0.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-49ea454c5be6b7b6b539f -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.16.0.2:80
-A CNI-DN-b6e73c47f141412d5e1df -s 10.88.0.0/24 -p tcp -m tcp --dport 8081 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-b6e73c47f141412d5e1df -p tcp -m tcp --dport 8081 -j DNAT --to-destination 10.88.0.2:80
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"kubernetes-on-eos\" id: \"0a1b2c\"" -m multiport --dports 8080 -j CNI-DN-49ea454c5be6b7b6b539f
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"podman\" id: \"ffff01\"" -m multiport --dports 8081 -j CNI-DN-b6e73c47f141412d5e1df
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
"#;
    let entry =
        listed.lines().find_map(|line| line.strip_prefix("-A ").filter(|rule| rule.contains("0a1b2c"))).unwrap();
    let own = "CNI-DN-49ea454c5be6b7b6b539f";
    assert_eq!(removal(listed), format!("-D {entry}\n-F {own}\n-X {own}\n"));
}
