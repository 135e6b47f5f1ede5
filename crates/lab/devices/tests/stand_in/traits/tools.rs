//! Old iptables, which are fakes in front of Debian's, and an old kernel's cgroups.

use std::time::Duration;

use devices::{Device, Flash};

use crate::support::{one_switch, said, until_it_succeeds};

fn run(switch: &Device, script: &str) -> (Option<i32>, String) {
    let output = switch.exec(["sh", "-c", script]).unwrap();
    (output.status.code(), said(&output).1)
}

/// A chain can be made, listed, saved, restored and removed.
fn works(switch: &Device, wait: &str) {
    let script = format!(
        "set -e; iptables {wait} -N OWN; iptables {wait} -A OWN -p tcp --dport 80 -j ACCEPT; iptables {wait} -S OWN
        iptables-save | grep '^-A OWN' | wc -l
        printf '*filter\\n-A OWN -j DROP\\nCOMMIT\\n' | iptables-restore --noflush
        iptables {wait} -S OWN | wc -l; iptables {wait} -F OWN; iptables {wait} -X OWN"
    );
    let expected = "-N OWN\n-A OWN -p tcp -m tcp --dport 80 -j ACCEPT\n1\n3\n";
    assert_eq!(run(switch, &script), (Some(0), expected.to_owned()));
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn iptables_of_fedora_18_knows_no_wait() {
    let lab = one_switch("test-t-1416", &[("iptables-without-wait", true)], Flash::new());
    let switch = lab.device("veos-b").unwrap();
    works(&switch, "");
    assert_eq!(run(&switch, "iptables --version"), (Some(0), "iptables v1.4.16.3\n".to_owned()));
    for command in
        ["iptables -w -S", "iptables -S --wait", "ip6tables -w -S", "iptables -w 5 -S", "iptables-restore -w 5"]
    {
        let (code, words) = run(&switch, &format!("{command} </dev/null"));
        assert!(code == Some(2) && words.contains(": unknown option \"-"), "{command}: {code:?} {words}");
    }
    // Nobody locks: whoever holds the lock of today keeps nobody out.
    assert_eq!(run(&switch, "flock /run/xtables.lock timeout 20 iptables -S OUTPUT").0, Some(0));
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn iptables_of_1_4_21_locks_an_abstract_socket() {
    let lab = one_switch("test-t-1421", &[("iptables-abstract-lock", true)], Flash::new());
    let switch = lab.device("veos-b").unwrap();
    works(&switch, "-w");
    assert_eq!(run(&switch, "iptables --version"), (Some(0), "iptables v1.4.21\n".to_owned()));
    let holder = r#"use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un("\0xtables")) or die; sleep 600"#;
    switch.exec_ok(["systemd-run", "--quiet", "--unit=holder", "perl", "-e", holder]).unwrap();
    until_it_succeeds(&switch, Duration::from_secs(10), &["grep", "-q", "@xtables", "/proc/net/unix"]);
    let (code, words) = run(&switch, "iptables -S");
    assert!(code == Some(4) && words.contains("currently holding the xtables lock"), "{code:?} {words}");
    // 124 is timeout's: it waits. Neither it nor a lock of today's makes the save wait.
    assert_eq!(run(&switch, "timeout 3 iptables -w -S").0, Some(124));
    assert_eq!(run(&switch, "timeout 20 iptables-save >/dev/null").0, Some(0));
    assert_eq!(run(&switch, "iptables-restore -w </dev/null").0, Some(2));
    switch.exec_ok(["systemctl", "stop", "holder"]).unwrap();
    works(&switch, "-w");
    assert_eq!(run(&switch, "flock /run/xtables.lock timeout 20 iptables -S OUTPUT").0, Some(0));
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn an_old_kernel_has_no_pids_cgroup() {
    let lab = one_switch("test-t-pids", &[("no-pids-cgroup", true)], Flash::new());
    let switch = lab.device("veos-b").unwrap();
    let found = "cut -f 1 /proc/cgroups | grep -c -x -e memory -e pids; grep -c -w pids /proc/mounts || true";
    assert_eq!(switch.exec_ok(["sh", "-c", found]).unwrap(), "1\n0\n");
}
