//! Objects that make no sense, as the running program meets them: left out, with a line in the log each, and the rest unharmed.

use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::{Value, json};

use api_watch::fake::{ENDPOINTS, FakeApi, SERVICES, SLICES};

/// The rules that the program would write, and its log.
fn print_rules(api: &FakeApi) -> (String, String) {
    let master = format!("--master={}", api.url());
    let flags = [master.as_str(), "--hostname-override=node-1", "--cluster-cidr=10.16.0.0/16", "--print-rules"];
    let output = Command::new(env!("CARGO_BIN_EXE_kube-proxy")).args(flags).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    (String::from_utf8(output.stdout).unwrap(), log)
}

fn service(name: &str, last: u8, ports: Value) -> Value {
    let cluster_ip = Ipv4Addr::new(10, 10, 0, last).to_string();
    json!({"metadata": {"namespace": "default", "name": name}, "spec": {"clusterIP": cluster_ip, "ports": ports}})
}

fn endpoints(name: &str, addresses: Value) -> Value {
    let subset = json!({"addresses": addresses, "ports": [{"name": "http", "port": 8080}]});
    json!({"metadata": {"namespace": "default", "name": name}, "subsets": [subset]})
}

fn http() -> Value {
    json!([{"name": "http", "port": 80, "protocol": "TCP"}])
}

/// How many lines of the log, other than the one on what is proxied, speak of it.
fn lines<'a>(log: &'a str, of: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(of)).collect()
}

#[test]
fn what_makes_no_sense_is_left_out_with_one_line_each_and_the_rest_is_proxied() {
    let api = FakeApi::start(&[SERVICES, ENDPOINTS]);
    api.put(SERVICES, service("good", 1, http()));
    api.put(ENDPOINTS, endpoints("good", json!([{"ip": "10.16.0.1"}])));
    let odd = json!([{"name": "http", "port": 80}, {"name": "quic", "port": 443, "protocol": "QUIC"}]);
    api.put(SERVICES, service("odd-protocol", 2, odd));
    api.put(ENDPOINTS, endpoints("odd-protocol", json!([{"ip": "10.16.0.2"}])));
    let mut bad_ip = service("bad-ip", 3, http());
    bad_ip["spec"]["clusterIP"] = json!("10.10.0.300");
    api.put(SERVICES, bad_ip);
    api.put(SERVICES, service("bad-endpoint", 4, http()));
    api.put(ENDPOINTS, endpoints("bad-endpoint", json!([{"ip": "10.16.0.4"}, {"ip": "ten.sixteen"}])));
    api.put(SERVICES, service("bad-port", 5, json!([{"name": "http", "port": 123_456}])));

    let (rules, log) = print_rules(&api);
    for there in [
        "-d 10.10.0.1/32",
        "--to-destination 10.16.0.1:8080",
        "-d 10.10.0.2/32",
        "--to-destination 10.16.0.2:8080",
        "-d 10.10.0.4/32",
        "--to-destination 10.16.0.4:8080",
    ] {
        assert!(rules.contains(there), "{there} is missing in\n{rules}");
    }
    for not_there in ["--dport 443", "10.10.0.300", "ten.sixteen", "10.10.0.5/"] {
        assert!(!rules.contains(not_there), "{not_there} is in\n{rules}");
    }
    for (object, what) in [
        ("default/odd-protocol", "QUIC"),
        ("default/bad-ip", "10.10.0.300"),
        ("default/bad-endpoint", "ten.sixteen"),
        ("default/bad-port", "123456"),
    ] {
        let found = lines(&log, object);
        assert!(found.len() == 1 && found[0].contains(what), "{object}: {found:?} in\n{log}");
    }
    assert!(lines(&log, "default/good").is_empty(), "{log}");
}

#[test]
fn a_hundred_thousand_endpoints_in_one_service_are_programmed_beside_the_others() {
    let api = FakeApi::start(&[SERVICES, ENDPOINTS]);
    let address = |number: u32| json!({"ip": Ipv4Addr::from(0x0a40_0000 + number).to_string(), "nodeName": "node-2"});
    api.put(SERVICES, service("huge", 1, http()));
    api.put(ENDPOINTS, endpoints("huge", (0..100_000).map(address).collect()));
    api.put(SERVICES, service("good", 2, http()));
    api.put(ENDPOINTS, endpoints("good", json!([{"ip": "10.16.0.1"}])));
    let (rules, log) = print_rules(&api);
    assert_eq!(rules.matches("--to-destination 10.6").count(), 100_000);
    assert!(rules.contains("--to-destination 10.16.0.1:8080"));
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn names_at_their_length_limit_and_beyond_the_alphabet_end_no_rule() {
    let api = FakeApi::start(&[SERVICES, SLICES]);
    let name = "n".repeat(63);
    let mut long = service(&name, 1, json!([{"name": "p".repeat(63), "port": 80}]));
    long["metadata"]["namespace"] = json!("s".repeat(63));
    api.put(SERVICES, long);
    let evil = "x\" -j ACCEPT\n-A INPUT -j ACCEPT\n";
    api.put(SERVICES, service("evil", 2, json!([{"name": evil, "port": 80}])));
    let (rules, _) = print_rules(&api);
    assert!(rules.contains("-d 10.10.0.1/32") && rules.contains("-d 10.10.0.2/32"), "{rules}");
    assert!(!rules.lines().any(|line| line.starts_with("-A INPUT")), "{rules}");
    assert!(rules.lines().all(|line| line.len() < 1024), "{rules}");
}
