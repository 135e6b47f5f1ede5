//! cluster.toml: what is accepted, and the line and the fix for everything that is not.

#![allow(clippy::unwrap_used)]

use cluster::{Cluster, KeyType};

const GOOD: &str = include_str!("fixtures/cluster.toml");

fn errors(text: &str) -> String {
    Cluster::parse(text, "cluster.toml").expect_err("this file is wrong").to_string()
}

fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

#[test]
fn the_seeds_cluster_is_read() {
    let cluster = Cluster::parse(GOOD, "cluster.toml").unwrap();
    assert_eq!(cluster.master().name, "veos-b");
    assert_eq!(cluster.first_service_address().to_string(), "10.10.0.1");
    assert_eq!(cluster.api_server_url(), "https://1.1.1.1:6443");
    assert_eq!(cluster.domain, "cluster.local");
    assert_eq!(cluster.key, KeyType::EcdsaP256);
    let ranges: Vec<_> = cluster.nodes.iter().map(|node| node.pod_cidr.to_string()).collect();
    assert_eq!(ranges, ["10.16.0.0/24", "10.16.1.0/24", "10.16.2.0/24"]);
}

#[test]
fn requests_come_from_the_nodes_own_addresses_unless_the_file_says_otherwise() {
    assert!(!Cluster::parse(GOOD, "cluster.toml").unwrap().nat);
    assert!(Cluster::parse(&with("[join]\n", "[join]\nnat = true\n"), "cluster.toml").unwrap().nat);
    assert!(errors(&with("[join]\n", "[join]\nnat = \"yes\"\n")).contains("cluster.toml:23: "));
}

#[test]
fn a_switch_is_found_by_its_whole_hostname_or_the_first_label_of_it() {
    let cluster = Cluster::parse(GOOD, "cluster.toml").unwrap();
    assert_eq!(cluster.node_of_host("VEOS-L1.lab.example\n").unwrap().address.to_string(), "2.2.2.2");
    assert!(cluster.node_of_host("veos-l3").is_none());
}

#[test]
fn each_mistake_is_named_with_its_line_and_a_fix() {
    let cases = [
        (with("dns =", "dsn ="), "cluster.toml:5: there is no `dsn` here, but ", "correct the name"),
        (with("10.16.0.0/16", "10.10.0.0/16"), "cluster.toml:4: pod_cidr 10.10.0.0/16 and service_cidr", "move one"),
        (with("10.16.0.0/16", "10.16.1.0/16"), "cluster.toml:4: pod_cidr", "write pod_cidr = \"10.16.0.0/16\""),
        (with("10.16.0.0/16", "10.16.0.0/23"), "cluster.toml:4: pod_cidr 10.16.0.0/23 has room for 2", "larger range"),
        (with("10.10.0.0/22", "10.0.0.0/8"), "cluster.toml:3: service_cidr 10.0.0.0/8 is a /8", "between /12 and /28"),
        (with("10.10.0.0/22", "ten"), "cluster.toml:3: service_cidr = \"ten\" is not", "10.16.0.0/16"),
        (with("10.10.0.10", "10.10.0.1"), "cluster.toml:5: dns 10.10.0.1 is the API server's own", "another address"),
        (with("10.10.0.10", "10.11.0.1"), "cluster.toml:5: dns 10.11.0.1 is not in", "another address"),
        (with("\"veos-l1\"", "\"veos-b\""), "cluster.toml:13: the name veos-b stands twice", "its own hostname"),
        (with("\"veos-l1\"", "\"veos_l1\""), "cluster.toml:13: a node's name \"veos_l1\"", "at most 63"),
        (with("2.2.2.2", "1.1.1.1"), "cluster.toml:14: the address 1.1.1.1 stands twice: veos-b", "its own address"),
        (
            with("2.2.2.2", "127.0.0.1"),
            "cluster.toml:14: the other switches cannot reach 127.0.0.1",
            "loopback interface",
        ),
        (with("2.2.2.2", "10.16.9.1"), "cluster.toml:14: the address 10.16.9.1 is inside pod_cidr", "move pod_cidr"),
        (with("2.2.2.2", "2.2.2.2/32"), "cluster.toml:14: address = \"2.2.2.2/32\"", "without a prefix"),
        (
            with("roles = [\"master\", \"worker\"]", "roles = [\"worker\"]"),
            "no [[node]] has the role \"master\"",
            "roles = [",
        ),
        (with("roles = [\"worker\"]", "roles = [\"master\"]"), "cluster.toml:15: a second master: veos-b", "for now"),
        (with("roles = [\"worker\"]", "roles = []"), "cluster.toml:15: a node without a role", "take the node out"),
        (with("roles = [\"worker\"]", "roles = [\"leaf\"]"), "cluster.toml:15: `leaf` is none of ", "one of these"),
        (
            with("roles = [\"worker\"]", "roles = [\"worker\"]\npod_cidr = \"10.17.0.0/24\""),
            "cluster.toml:16: a node's",
            "out of",
        ),
        (
            with("roles = [\"worker\"]", "roles = [\"worker\"]\npod_cidr = \"10.16.0.0/24\""),
            "cluster.toml:16: veos-b and veos-l1 both have the pods' range",
            "another pod_cidr",
        ),
        (
            with("9f86d081884c7d659a2feaa0c55ad015", "secret"),
            "cluster.toml:23: the token has 6 characters",
            "openssl rand",
        ),
        (with("9f86d081884c7d659a2feaa0c55ad015", &"ab".repeat(20)), "repeats few characters", "openssl rand"),
        (with("[join]\ntoken = \"9f86d081884c7d659a2feaa0c55ad015\"\n", ""), "`join` is missing", "add [join]"),
        (with("name = \"kubernetes\"", "key = \"rsa\""), "cluster.toml:2: `rsa` is none of ", "one of these"),
        (with("name = \"kubernetes\"", "name = "), "cluster.toml:2: ", "docs/operations.md"),
        (String::from(" \n"), "cluster.toml: the file is empty", "[[node]]"),
    ];
    for (text, problem, fix) in cases {
        let errors = errors(&text);
        let found = errors.lines().any(|line| line.contains(problem) && line.contains(fix));
        assert!(found, "expected {problem:?} with {fix:?}, found:\n{errors}");
    }
}

#[test]
fn every_mistake_is_reported_at_once() {
    let text = with("10.16.0.0/16", "10.10.0.0/16").replace("2.2.2.2", "1.1.1.1").replace("9f86d081884c7d65", "");
    assert_eq!(errors(&text).lines().count(), 3, "{}", errors(&text));
}

#[test]
fn the_token_is_never_printed() {
    let cluster = Cluster::parse(GOOD, "cluster.toml").unwrap();
    assert!(!format!("{cluster:?}").contains("9f86d081"));
    let short = errors(&with("9f86d081884c7d659a2feaa0c55ad015", "hunter2-hunter2"));
    assert!(!short.contains("hunter2"), "{short}");
}
