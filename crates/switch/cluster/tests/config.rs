//! cluster.toml: what is accepted, and the line and the fix for everything that is not.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use cluster::{Backend, Cluster, ExternalIps, JoinToken, KeyType, Reserved};

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
fn what_is_kept_for_eos_is_read_and_nothing_is_where_the_file_does_not_say() {
    assert_eq!(Cluster::parse(GOOD, "cluster.toml").unwrap().reserved, None);
    let reserved = |lines: &str| format!("{GOOD}\n[reserved]\n{lines}");
    let cluster = Cluster::parse(&reserved("memory = \"2Gi\"\ncpu = \"500m\"\n"), "cluster.toml").unwrap();
    assert_eq!(cluster.reserved, Some(Reserved { memory_mib: 2048, cpu_milli: 500 }));
    for (lines, problem, fix) in [
        ("memory = \"2G\"\ncpu = \"1\"", "cluster.toml:26: memory = \"2G\" is no amount", "2Gi"),
        ("memory = \"2Gi\"\ncpu = \"half\"", "cluster.toml:27: cpu = \"half\" is no amount", "500m"),
        ("memory = \"2Gi\"", "`cpu` is missing", "add it"),
        ("memory = 2\ncpu = \"1\"", "cluster.toml:26: ", "correct this line"),
    ] {
        let told = errors(&reserved(lines));
        assert!(told.contains(problem) && told.contains(fix), "{told}");
    }
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
        (with("[join]\n", "[join]\ntokens = 1\n"), "cluster.toml:23: something else than `token`", "no more than"),
        (with("[join]\n", "[join]\nca_hash = \"sha256:12\"\n"), "cluster.toml:23: `ca_hash` in [join]", "64 hex"),
        (with("[join]\n", "[join]\nuntil = \"2026-13-01\"\n"), "cluster.toml:23: `until` in [join] is no", "last day"),
        (with("[join]\n", "[join]\nuntil = 2026-12-01T10:00:00Z\n"), "cluster.toml:23: `until` in [join] is", "last"),
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

#[test]
fn who_joins_may_be_told_the_authority_and_until_when() {
    let hash = format!("sha256:{}", "Ab".repeat(32));
    let more = format!("[join]\nca_hash = \"{hash}\"\nuntil = \"2026-12-31\"\n");
    let cluster = Cluster::parse(&with("[join]\n", &more), "f").unwrap();
    assert_eq!(cluster.ca_hash.unwrap().to_string(), hash.to_lowercase());
    let until = cluster.until.unwrap();
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    assert!(!until.is_over(at(1_798_761_599)) && until.is_over(at(1_798_761_600)), "the day counts to its end");
    let date = Cluster::parse(&with("[join]\n", "[join]\nuntil = 2026-12-31\n"), "f").unwrap();
    assert_eq!(date.until, Some(until));
    let token = "token = \"9f86d081884c7d659a2feaa0c55ad015\"";
    let without = Cluster::parse(&with(token, "nat = true"), "f").unwrap();
    assert!(without.token.is_none() && without.nat, "the token may be taken out, and the rest stays");
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
            format!("{before}[join]\nca_hash = {quoted}"),
            format!("{before}[join]\nca_hash = \"sha256:{token}"),
            format!("{before}[join]\nca_hash = [{quoted}]"),
            format!("{before}[join]\nuntil = {quoted}"),
            format!("{before}[join]\nuntil = {token}"),
            format!("{before}[join]\nnat = {quoted}"),
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

#[test]
fn lifetimes_and_the_other_authority_are_read_and_checked() {
    let of = |lines: &str| Cluster::parse(&format!("{GOOD}\n[certificates]\n{lines}\n"), "cluster.toml");
    let certificates = Cluster::parse(GOOD, "cluster.toml").unwrap().certificates;
    assert_eq!((certificates.admin_days, certificates.offline_days, certificates.client_ca), (365, 365, None));
    let certificates = of("admin_days = 1\noffline_days = 1825\nclient_ca = \"ca.pem\"").unwrap().certificates;
    assert_eq!((certificates.admin_days, certificates.offline_days), (1, 1825));
    for (line, problem) in [
        ("admin_days = 0", "admin_days = \"0\" is no time"),
        ("admin_days = 1826", "write 1 to 1825 days"),
        ("offline_days = -1", "offline_days = \"-1\" is no time"),
        ("offline_days = \"x\"", "belongs"),
        ("client_ca = \"/mnt/ca.pem\"", "put the file beside ca.pem"),
        ("client_ca = \"../ca.pem\"", "put the file beside ca.pem"),
        ("client_ca = \"admins\"", "put the file beside ca.pem"),
        ("client_ca = \"etcd-ca.pem\"", "a file of the cluster's own"),
        ("client_ca = \"ca-key.pem\"", "a file of the cluster's own"),
        ("lifetime = 1", "there is no `lifetime` here"),
    ] {
        let error = of(line).unwrap_err().to_string();
        assert!(error.contains(problem) && error.starts_with("cluster.toml:2"), "{line}: {error}");
    }
}

#[test]
fn the_network_is_read_and_checked_and_without_it_a_cluster_is_as_those_of_before() {
    let of = |lines: &str| Cluster::parse(&format!("{GOOD}\n[network]\n{lines}\n"), "cluster.toml");
    let unsaid = Cluster::parse(GOOD, "cluster.toml").unwrap();
    let before = unsaid.network();
    assert!(before.backend == Backend::Routes && before.open, "{before:?}");
    // A list of who may ask says nothing of how packets go.
    let listed = of("api_allow = [\"192.0.2.0/24\"]").unwrap();
    let network = listed.network();
    assert!(network.backend == Backend::Routes && !network.open, "{network:?}");
    for undecided in [&unsaid, &listed] {
        let remark = undecided.network_remark().unwrap();
        assert!(
            remark.contains("which hardware does not forward") && remark.contains("backend = \"vxlan\""),
            "{remark}"
        );
    }
    for (backend, written) in [("vxlan", Backend::Vxlan), ("routes", Backend::Routes)] {
        let cluster = of(&format!("backend = \"{backend}\"")).unwrap();
        let network = cluster.network();
        assert!(network.backend == written && !network.open && cluster.network_remark().is_none(), "{network:?}");
    }
    let network =
        of("backend = \"routes\"\nport = 4789\nvni = 7\nmtu = 8950\napi_allow = [\"192.0.2.7\", \"10.0.0.0/8\"]")
            .unwrap();
    let network = network.network();
    assert_eq!((network.backend, network.open), (Backend::Routes, false));
    let written = network.written;
    assert_eq!((written.port, written.vni, written.mtu, written.nodeport_allow), (4789, 7, 8950, None));
    let ranges: Vec<String> = written.api_allow.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ranges, ["192.0.2.7/32", "10.0.0.0/8"]);
    for (line, problem) in [
        ("backend = \"ipip\"", "ipip"),
        ("vni = 0", "vni = 0 is no VXLAN network identifier"),
        ("vni = 16777216", "take 1 to 16777215"),
        ("port = 0", "VXLAN has no port 0"),
        ("mtu = 500", "mtu = 500 is no size"),
        ("mtu = 9200", "mtu = 9200 is no size"),
        ("api_allow = [\"192.0.2.7/24\"]", "api_allow: \"192.0.2.7/24\" is no IPv4 range"),
        ("nodeport_allow = [\"everyone\"]", "write it as in \"192.0.2.0/24\""),
        ("firewall = \"none\"", "none"),
        ("mtus = 1", "there is no `mtus` here"),
    ] {
        let error = of(line).unwrap_err().to_string();
        assert!(error.contains(problem) && error.starts_with("cluster.toml:2"), "{line}: {error}");
    }
    let nat =
        |lines: &str| Cluster::parse(&format!("{}\n{lines}", with("[join]\n", "[join]\nnat = true\n")), "cluster.toml");
    assert_eq!(nat("").unwrap().network_remark(), None);
    let error = nat("[network]\nbackend = \"vxlan\"\n").unwrap_err().to_string();
    assert!(error.contains("nat = true") && error.contains("backend = \"routes\""), "{error}");
    for key in ["api_allow", "nodeport_allow"] {
        let error = nat(&format!("[network]\n{key} = []\n")).unwrap_err().to_string();
        assert!(error.contains(&format!("{key} would keep nodes out")) && error.contains("nat = true"), "{error}");
    }
    let eos = |mode: &str| {
        let tables = format!("[kube-proxy]\nmode = \"{mode}\"\n[network]\nfirewall = \"eos\"\n");
        Cluster::parse(&format!("{GOOD}\n{tables}"), "cluster.toml")
    };
    assert!(eos("iptables").is_ok());
    let error = eos("userspace").unwrap_err().to_string();
    assert!(error.contains("mode userspace listens on ports") && error.contains("[kube-proxy]"), "{error}");
}

#[test]
fn services_are_denied_external_ips_where_the_file_says_so_and_nowhere_else() {
    let of = |lines: &str| Cluster::parse(&format!("{GOOD}\n{lines}\n"), "cluster.toml");
    let external_ips = |lines: &str| of(lines).unwrap().services.external_ips;
    for before in ["", "[services]", "[services]\nexternal_ips = \"allowed\""] {
        assert_eq!(external_ips(before), ExternalIps::Allowed, "{before}");
    }
    assert_eq!(external_ips("[services]\nexternal_ips = \"denied\""), ExternalIps::Denied);
    for (line, problem) in [
        ("external_ips = \"no\"", "`denied` or `allowed`"),
        ("external_ips = false", "wanted string"),
        ("external_ip = \"denied\"", "there is no `external_ip` here"),
    ] {
        let error = of(&format!("[services]\n{line}")).unwrap_err().to_string();
        assert!(error.contains(problem) && error.starts_with("cluster.toml:2"), "{line}: {error}");
    }
}

#[test]
fn names_elsewhere_have_resolvers_and_who_is_answered_a_range() {
    let with = |dns: &str| Cluster::parse(&format!("{GOOD}\n{dns}"), "cluster.toml");
    assert_eq!(with("").unwrap().names, cluster::Names::default());
    let names = with(
        "[dns]\nupstreams = [\"192.0.2.53\", \"192.0.2.54:5353\"]\nallow = [\"198.51.100.0/24\"]\n\
         [dns.stub_domains]\n\"corp.example\" = [\"192.0.2.1\", \"192.0.2.2\"]\n",
    )
    .unwrap()
    .names;
    assert_eq!(names.upstreams, ["192.0.2.53:53".parse().unwrap(), "192.0.2.54:5353".parse().unwrap()]);
    assert_eq!(names.stub_domains, ["corp.example=192.0.2.1:53,192.0.2.2:53"]);
    assert_eq!(names.allow, ["198.51.100.0/24".parse().unwrap()]);
    for (dns, problem) in [
        ("upstreams = [\"resolver.example\"]", "no address of a resolver"),
        ("upstreams = [\"0.0.0.0\"]", "no address of a resolver"),
        ("allow = [\"198.51.100.1/24\"]", "no IPv4 range"),
        ("allow = [\"0\"]", "no IPv4 range"),
        ("stub_domains = { \"corp..example\" = [\"192.0.2.1\"] }", "not a DNS name"),
        ("stub_domains = { \"a b\" = [\"192.0.2.1\"] }", "not a DNS name"),
        ("stub_domains = { \"corp.example\" = [] }", "has no resolver"),
        ("upstream = []", "there is no `upstream` here"),
    ] {
        let error = with(&format!("[dns]\n{dns}\n")).unwrap_err().to_string();
        assert!(error.contains(problem), "{dns}: {error}");
    }
}

#[test]
fn routes_are_followed_by_this_projects_kube_proxy_alone() {
    let with = |lines: &str| Cluster::parse(&format!("{GOOD}\n[kube-proxy]\n{lines}\n"), "cluster.toml");
    let follows = |lines: &str| with(lines).unwrap().kube_proxy.follows_routes();
    assert!(follows("") && follows("follow_routes = true") && !follows("follow_routes = false"));
    assert!(
        !follows("implementation = \"upstream\"") && !follows("implementation = \"upstream\"\nfollow_routes = false")
    );
    let error = with("implementation = \"upstream\"\nfollow_routes = true").unwrap_err().to_string();
    assert!(error.contains("upstream's kube-proxy does not look at routes"), "{error}");
}

#[test]
fn keys_are_left_on_a_flash_without_modes_by_the_operators_word_alone() {
    let of = |lines: &str| Cluster::parse(&format!("{GOOD}\n[storage]\n{lines}\n"), "cluster.toml");
    assert!(!Cluster::parse(GOOD, "cluster.toml").unwrap().storage.allow_vfat && !of("").unwrap().storage.allow_vfat);
    assert!(of("allow_vfat = true").unwrap().storage.allow_vfat);
    assert!(!of("").unwrap().storage.take_over && of("take_over = true").unwrap().storage.take_over);
    for lines in ["allow_vfat = \"yes\"", "vfat = true"] {
        assert!(of(lines).is_err(), "{lines}");
    }
}
