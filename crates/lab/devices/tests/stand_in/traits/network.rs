//! The network as EOS has it: its chains, its names for cables, whose address it answers for, and Management1 in a VRF.

use std::time::Duration;

use devices::{Device, Flash};

use crate::support::{one_switch, ping, until_it_succeeds};

/// Whether a host reaches a port of the switch.
fn reaches(host: &Device, port: &str) -> bool {
    host.exec(["nc", "-z", "-w", "2", "1.1.1.1", port]).unwrap().status.success()
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_port_that_eos_does_not_know_is_closed_until_eos_input_has_a_rule_for_it() {
    let listen = "use IO::Socket::INET;
        my $s = IO::Socket::INET->new(LocalPort => 6443, Listen => 9, ReuseAddr => 1) or die; while ($s->accept) {}";
    for chains in [true, false] {
        let lab = one_switch("test-t-chains", &[("eos-chains", chains)], Flash::new());
        let (switch, host) = (lab.device("veos-b").unwrap(), lab.device("host-c1").unwrap());
        switch.exec_ok(["systemd-run", "--quiet", "perl", "-e", listen]).unwrap();
        ping(&host, "1.1.1.1");
        let listens = ["sh", "-c", "ss --listening --tcp --numeric | grep -q :6443"];
        until_it_succeeds(&switch, Duration::from_secs(10), &listens);
        assert!(reaches(&host, "22"), "ssh is EOS' own");
        assert_eq!(reaches(&host, "6443"), !chains);
        if chains {
            let policies = switch.exec_ok(["sh", "-c", "iptables -S | grep -e '^-P' | sort"]).unwrap();
            assert_eq!(policies, "-P FORWARD DROP\n-P INPUT DROP\n-P OUTPUT ACCEPT\n");
            let open = "iptables --append EOS_INPUT --protocol tcp --dport 6443 --jump EOS_SERVICE";
            switch.exec_ok(["sh", "-c", open]).unwrap();
            assert!(reaches(&host, "6443"));
        }
    }
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn cables_may_be_called_et_and_carry_what_the_startup_config_says() {
    let lab = one_switch("test-t-et", &[("et-names", true)], Flash::new());
    let (switch, host) = (lab.device("veos-b").unwrap(), lab.device("host-c1").unwrap());
    ping(&host, "1.1.1.1");
    let shown = switch.exec_ok(["ip", "-4", "-oneline", "address", "show", "dev", "et1"]).unwrap();
    assert!(shown.contains("10.0.0.0/31"), "{shown}");
    assert_eq!(switch.exec_ok(["sh", "-c", "cd /sys/class/net; echo eth*"]).unwrap(), "eth0\n");
    // A host that was cut off has lost its way to what is behind the switch.
    ping(&host, "10.0.0.0");
    lab.cut_link("veos-b:eth1").unwrap();
    assert!(!host.exec(["ping", "-c", "1", "-W", "1", "10.0.0.0"]).unwrap().status.success());
    lab.restore_link("veos-b:eth1").unwrap();
    ping(&host, "10.0.0.0");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn an_address_is_answered_for_on_its_own_interface_alone() {
    for ignored in [true, false] {
        let lab = one_switch("test-t-arp", &[("arp-ignore", ignored)], Flash::new());
        let host = lab.device("host-c1").unwrap();
        ping(&host, "1.1.1.1");
        // By the gateway it was reached; now the host asks on the cable for the loopback's address.
        host.exec_ok(["ip", "route", "add", "1.1.1.1/32", "dev", "eth1"]).unwrap();
        let reached = host.exec(["ping", "-c", "2", "-W", "2", "1.1.1.1"]).unwrap().status.success();
        assert_eq!(reached, !ignored);
    }
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn management1_may_be_in_a_vrf_which_is_a_network_namespace() {
    let lab = one_switch("test-t-vrf", &[("management-vrf", true)], Flash::new());
    let (switch, host) = (lab.device("veos-b").unwrap(), lab.device("host-c1").unwrap());
    assert!(!switch.exec(["ip", "link", "show", "dev", "eth0"]).unwrap().status.success());
    let management = switch.management_address().unwrap();
    let inside = ["ip", "netns", "exec", "ns-MGMT"];
    let shown = switch.exec_ok(inside.into_iter().chain(["ip", "-4", "address", "show", "dev", "eth0"])).unwrap();
    assert!(shown.contains(&format!(" {management}/")), "{shown}");
    // Another iptables than that of the default VRF.
    let rules = switch.exec_ok(inside.into_iter().chain(["iptables-save"])).unwrap();
    assert!(!rules.contains("EOS_INPUT"), "{rules}");
    ping(&host, &management);
    // sshd is there, and speaks first.
    let greeting = ["sh", "-c", "nc -w 2 \"$1\" 22 </dev/null | head -c 4", "sh", &management];
    assert_eq!(host.exec_ok(greeting).unwrap(), "SSH-");
    ping(&host, "1.1.1.1");
}
