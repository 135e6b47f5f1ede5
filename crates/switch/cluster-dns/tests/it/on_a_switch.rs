//! The address on a switch, in namespaces of our own: pods and programs are answered whatever a kube-proxy's rules say, and nothing stays.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::netns::enter;
use serde_json::json;

use crate::client::ask;

const TIMEOUT: Duration = Duration::from_secs(60);

/// As a kube-proxy has them, where pods are behind the address; and EOS, which lets nothing in by itself.
const RULES: &str = "
    iptables -P INPUT DROP
    iptables -A INPUT -i lo -j ACCEPT
    iptables -t nat -A PREROUTING -d 10.10.0.10/32 -p udp --dport 53 -j DNAT --to-destination 10.16.0.99
    iptables -t nat -A OUTPUT -d 10.10.0.10/32 -p udp --dport 53 -j DNAT --to-destination 10.16.0.99
    iptables -A INPUT -d 10.10.0.10/32 -p udp --dport 53 -m conntrack --ctstate NEW -j REJECT
";

struct Namespaces {
    switch: String,
    pod: String,
}

impl Namespaces {
    fn make(name: &str) -> Namespaces {
        let id = format!("{}{name}", std::process::id());
        let names = Namespaces { switch: format!("koe-dns-s{id}"), pod: format!("koe-dns-p{id}") };
        let Namespaces { switch, pod } = &names;
        sh(&format!(
            "set -e
            ip netns add {switch}; ip netns add {pod}
            ip -n {switch} link set lo up
            ip -n {switch} link add kube0 type bridge
            ip -n {switch} address add 10.16.0.1/24 dev kube0
            ip -n {switch} link set kube0 up
            ip link add eth0 netns {pod} type veth peer name veth0 netns {switch}
            ip -n {switch} link set veth0 master kube0 up
            ip -n {pod} address add 10.16.0.5/24 dev eth0
            ip -n {pod} link set eth0 up
            ip -n {pod} route add default via 10.16.0.1"
        ));
        names
    }

    fn on_switch(&self, script: &str) -> String {
        sh(&format!("ip netns exec {} sh -ec '{script}'", self.switch))
    }

    fn ask(&self, from: &str) -> Option<Vec<String>> {
        let namespace = File::open(format!("/run/netns/{from}")).unwrap();
        let server = SocketAddr::from(([10, 10, 0, 10], 53));
        let answer = enter(&namespace, || ask(server, "web.shop.svc.cluster.local.", "A")).unwrap();
        answer.map(|answer| answer.data)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.switch, &self.pod] {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn sh(script: &str) -> String {
    let Output { status, stdout, stderr } = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(status.success(), "{script}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < TIMEOUT, "{what}");
        sleep(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "needs root, for network namespaces and iptables"]
fn the_address_is_answered_on_the_switch_ahead_of_any_kube_proxy_and_given_back() {
    answers_and_leaves("a", None, "iptables -t raw -F");
}

/// As on a kernel without iptable_raw or xt_CT.
#[test]
#[ignore = "needs root, for network namespaces and iptables"]
fn it_is_so_too_where_nothing_can_be_left_untracked() {
    let lacking = programs(&[
        (
            "iptables-save",
            "case \"$*\" in *raw*) echo \"Cannot initialize: Table does not exist\" >&2; exit 1;; esac; exec $real \"$@\"",
        ),
        (
            "iptables-restore",
            "lines=$(cat); case $lines in *--notrack*) echo \"Couldn't load target \\`CT':No such file or directory\" >&2; exit 2;; esac; echo \"$lines\" | $real \"$@\"",
        ),
    ]);
    answers_and_leaves("b", Some(lacking.path()), "iptables -t nat -F KUBE-DNS-NAT");
}

/// For longer than one change is tried again.
#[test]
#[ignore = "needs root, for network namespaces and iptables"]
fn nothing_is_tracked_because_somebody_had_the_lock_when_that_was_tried_out() {
    let locked = programs(&[(
        "iptables-restore",
        "lines=$(cat); case $lines in *TRIAL*--notrack*) echo >> $0.tried; [ $(wc -l < $0.tried) -gt 6 ] || { \
         echo 'Another app is currently holding the xtables lock; waiting for it to exit...' >&2; exit 4; };; esac; \
         echo \"$lines\" | $real \"$@\"",
    )]);
    answers_and_leaves("c", Some(locked.path()), "iptables -t raw -F KUBE-DNS-RAW");
}

/// A directory of scripts that may go on with `$real`, the program of their name.
fn programs(scripts: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, script) in scripts {
        let real = sh(&format!("command -v {name}"));
        let program = directory.path().join(name);
        fs::write(&program, format!("#!/bin/sh\nreal={real}\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

/// `programs` are found first; `flush` takes rules away that lead to it.
fn answers_and_leaves(name: &str, programs: Option<&Path>, flush: &str) {
    let namespaces = Namespaces::make(name);
    namespaces.on_switch(RULES);
    let everything = || without_headings(&namespaces.on_switch("iptables-save; ip -4 -oneline address"));
    let plain = everything();
    let directory = tempfile::tempdir().unwrap();
    let web = json!({"kind": {"ClusterIp": "10.10.0.20"}, "ports": [], "publish_not_ready": false, "is_ours": false});
    let kept = json!({"format": 1, "services": {"shop/web": web}, "endpoints": {}});
    std::fs::write(directory.path().join("names.json"), kept.to_string()).unwrap();
    let mut program = Command::new("ip");
    program.args([
        "netns",
        "exec",
        &namespaces.switch,
        env!("CARGO_BIN_EXE_cluster-dns"),
        "--master=http://127.0.0.1:1",
    ]);
    program.args(["--address=10.10.0.10", "--pod-cidr=10.16.0.0/24", "--pod-bridge-interface=kube0"]);
    program.arg(format!("--run-dir={}", directory.path().display())).stderr(Stdio::null());
    let path = std::env::var("PATH").unwrap();
    let path = programs.iter().fold(path, |path, first| format!("{}:{path}", first.display()));
    let mut program = Program(program.env("PATH", path).spawn().unwrap());
    let answered = |from| namespaces.ask(from).is_some_and(|data| data == ["10.10.0.20"]);
    until("a pod is answered", || answered(&namespaces.pod));
    until("a program of the switch is answered", || answered(&namespaces.switch));
    // What was asked before it was there has gone by the rules.
    namespaces.on_switch("iptables -t nat -Z");
    assert!(answered(&namespaces.pod) && answered(&namespaces.switch));
    let nat = namespaces.on_switch("iptables-save -c -t nat");
    let seen = nat.lines().filter(|line| line.contains("--to-destination") && !line.starts_with("[0:0]"));
    assert_eq!(seen.count(), 0, "{nat}");
    // EOS makes its network anew.
    namespaces.on_switch(&format!("{flush}; ip address del 10.10.0.10/32 dev lo"));
    until("a pod is answered again", || answered(&namespaces.pod));
    sh(&format!("kill {}", program.0.id()));
    program.0.wait().unwrap();
    assert_eq!(everything(), plain);
}

/// Without what has the time or counts.
fn without_headings(text: &str) -> Vec<String> {
    let heading = |line: &str| line.starts_with(['#', '*', ':']) || line == "COMMIT";
    text.lines().filter(|line| !heading(line)).map(str::to_owned).collect()
}
