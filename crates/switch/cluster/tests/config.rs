//! cluster.toml: what is accepted, and the line and the fix for everything that is not.

#![allow(clippy::unwrap_used)]

use cluster::{Cluster, JoinToken, KeyType};

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
        (with("\"veos-l1\"", "\"veos-b\""), "cluster.toml:13: the name \"veos-b\" stands twice", "its own hostname"),
        (with("\"veos-l1\"", "\"veos_l1\""), "cluster.toml:13: a node's name \"veos_l1\"", "at most 63"),
        (
            with("2.2.2.2", "1.1.1.1"),
            "cluster.toml:14: the address 1.1.1.1 stands twice: \"veos-b\"",
            "its own address",
        ),
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
        (
            with("roles = [\"worker\"]", "roles = [\"master\"]"),
            "cluster.toml:15: a second master: \"veos-b\"",
            "for now",
        ),
        (with("roles = [\"worker\"]", "roles = []"), "cluster.toml:15: a node without a role", "take the node out"),
        (with("roles = [\"worker\"]", "roles = [\"leaf\"]"), "cluster.toml:15: `leaf` is none of ", "one of these"),
        (
            with("roles = [\"worker\"]", "roles = [\"worker\"]\npod_cidr = \"10.17.0.0/24\""),
            "cluster.toml:16: a node's",
            "out of",
        ),
        (
            with("roles = [\"worker\"]", "roles = [\"worker\"]\npod_cidr = \"10.16.0.0/24\""),
            "cluster.toml:16: two nodes have the pods' range 10.16.0.0/24; the other one is \"veos-b\"",
            "another pod_cidr",
        ),
        (
            with("9f86d081884c7d659a2feaa0c55ad015", "secret"),
            "cluster.toml:23: the token has 6 characters",
            "k8s-node token",
        ),
        (with("9f86d081884c7d659a2feaa0c55ad015", &"ab".repeat(20)), "repeats few characters", "k8s-node token"),
        (with("token = \"9f86d081884c7d659a2feaa0c55ad015\"", ""), "cluster.toml:22: `token` is missing", "one line"),
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
fn a_file_without_a_token_is_read_for_those_who_need_none() {
    let cluster = Cluster::parse(&with("[join]\ntoken = \"9f86d081884c7d659a2feaa0c55ad015\"\n", ""), "f").unwrap();
    assert!(cluster.token.is_none() && cluster.warnings.errors.is_empty(), "{:?}", cluster.warnings);
}

/// Of a token, so much in a message would be too much.
const PIECE: usize = 8;

#[track_caller]
fn assert_says_nothing_of(token: &str, text: &str) {
    let file = format!("{text}\n");
    let said = match Cluster::parse(&file, "cluster.toml") {
        Ok(cluster) => cluster.warnings.to_string(),
        Err(errors) => format!("{errors}\n{errors:?}"),
    };
    for piece in token.as_bytes().windows(PIECE).map(|piece| std::str::from_utf8(piece).unwrap()) {
        assert!(!said.contains(piece), "{piece:?} of the token in {said:?}, of:\n{file}");
    }
}

#[test]
fn no_error_repeats_a_token_wherever_in_the_file_it_has_got_to() {
    let good = GOOD.trim_end();
    let (before, _) = good.split_once("[join]").unwrap();
    for token in ["9f86d081884c7d659a2feaa0c55ad015", "n3Xt,`to'NoTh1ng`,zXcv`\"bnm,lkjh", "1234567890123456789"] {
        let quoted = serde_json::to_string(token).unwrap();
        for join in [
            format!("join = {quoted}\n{before}"),
            format!("join = [{quoted}]\n{before}"),
            format!("join = {{ token = {quoted}, again = 1 }}\n{before}"),
            format!("join.token = [{quoted}]\n{before}"),
            format!("join.{quoted} = 1\n{before}"),
            format!("{before}[join]\n{quoted} = {quoted}"),
            format!("{before}[join]\ntoken = {{ {quoted} = 1 }}"),
            format!("{before}[join]\ntoken = \"\"\"\n{token}\"\"\""),
            format!("{before}[join]\ntoken = {quoted}\n[join.{quoted}]"),
            format!("{before}[join]\ntoken = {token}"),
            format!("{before}[join]\n{token}"),
            format!("{before}[join]\ntoken = \"{token}"),
            format!("{before}[join]\ntoken = {quoted} {token}"),
            format!("{before}[[join]]\ntoken = {quoted}"),
            format!("{before}[{quoted}]\ntoken = {quoted}"),
            format!("{before}[kube-proxy]\nmode = {quoted}"),
            format!("{before}[kube-proxy]\nmode = {token}"),
            format!("{before}[kube-proxy]\n{quoted} = true"),
            format!("{quoted} = 5\n{before}"),
            format!("cluster = {quoted}"),
            format!("node = {quoted}"),
        ] {
            assert_says_nothing_of(token, &join);
        }
        // In the place of each key and of each value.
        for (number, line) in before.lines().enumerate() {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            for changed in [
                format!("{quoted} = {value}"),
                format!("{key} = {quoted}"),
                format!("{key} = [{quoted}]"),
                format!("{key} = {token}"),
            ] {
                let lines =
                    before.lines().enumerate().map(|(at, line)| if at == number { changed.as_str() } else { line });
                assert_says_nothing_of(token, &lines.collect::<Vec<_>>().join("\n"));
            }
        }
        let twice = before.replace("\"veos-b\"", &quoted).replace("\"veos-l1\"", &quoted);
        assert_says_nothing_of(token, &twice);
    }
}

/// What a new cluster is refused for.
fn warnings(text: &str) -> String {
    Cluster::parse(text, "cluster.toml").unwrap().warnings.to_string()
}

fn with_token(token: &str) -> String {
    with("9f86d081884c7d659a2feaa0c55ad015", token)
}

#[test]
fn a_token_that_is_not_random_is_taken_where_a_cluster_runs_and_warned_of() {
    for (token, expected) in [
        ("9f86d081884c7d659a2feaa0c55ad015", "everybody knows it"),
        ("0F1E2D3C4B5A69788796A5B4C3D2E1F0", "everybody knows it"),
        ("correct-horse-battery-staple-and-more", "not 16 random bytes"),
        ("correcthorsebatterystapleandsomemore", "not 16 random bytes"),
        ("CorrectHorseBatteryStapleAndSomeMore", "not 16 random bytes"),
        ("MyCompanyKubernetesTokenWithDigits12", "not 16 random bytes"),
        (&hex_of("a secret that is but a sentence."), "text or a pattern"),
        ("0123456701234567012345670123456701", "text or a pattern"),
    ] {
        let said = warnings(&with_token(token));
        assert!(said.starts_with("cluster.toml:23: ") && said.contains(expected), "{token}: {said:?}");
        assert!(said.contains("k8s-node token") && !said.contains(token), "{said}");
    }
    for random in [
        "c2b5f40a2f9d4f0e8d3b6a7c915e0f2d",
        "C2B5F40A2F9D4F0E8D3B6A7C915E0F2D8899AABBCCDDEEFF0011223344556677",
        "xK3vQ0p9ZbYt7mHc2LwR8g==",
        "xK3vQ0p9ZbYt7mHc2LwR8g",
        "xK3vQ0p-ZbYt7mHc2LwR8q_-ZbYt7mHcxK3vQ0p9ZbY",
    ] {
        assert_eq!(warnings(&with_token(random)), "", "{random}");
    }
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_token_that_is_made_is_another_and_good_for_a_new_cluster() {
    let tokens = [0; 50].map(|_| JoinToken::make().unwrap());
    for (number, token) in tokens.iter().enumerate() {
        assert_eq!(warnings(&with_token(token.reveal())), "");
        assert!(!tokens[..number].contains(token), "one is made twice");
    }
}

#[test]
fn ranges_that_no_network_can_have_are_taken_where_a_cluster_runs_and_warned_of() {
    let random = with_token("c2b5f40a2f9d4f0e8d3b6a7c915e0f2d");
    for (range, purpose) in [
        ("127.16.0.0/16", "each switch itself"),
        ("169.254.0.0/16", "one link"),
        ("224.0.0.0/8", "multicast"),
        ("239.1.0.0/16", "multicast"),
        ("240.0.0.0/16", "nothing yet"),
        ("0.16.0.0/16", "no host"),
        ("168.0.0.0/7", "one link"),
    ] {
        let said = warnings(&random.replacen("10.16.0.0/16", range, 1));
        assert_eq!(
            said,
            format!("cluster.toml:4: pod_cidr {range} has addresses that are for {purpose}; take a private range")
        );
    }
    let services = random.replacen("10.10.0.0/22", "169.254.8.0/22", 1).replacen("dns = \"10.10.0.10\"\n", "", 1);
    assert!(warnings(&services).starts_with("cluster.toml:3: service_cidr 169.254.8.0/22"), "{}", warnings(&services));
    for private in ["172.17.0.0/16", "192.168.0.0/16", "100.64.0.0/10"] {
        assert_eq!(warnings(&random.replacen("10.16.0.0/16", private, 1)), "");
    }
}

#[test]
fn the_token_is_never_printed() {
    let cluster = Cluster::parse(GOOD, "cluster.toml").unwrap();
    assert!(!format!("{cluster:?}").contains("9f86d081"));
    let short = errors(&with("9f86d081884c7d659a2feaa0c55ad015", "hunter2-hunter2"));
    assert!(!short.contains("hunter2"), "{short}");
}
