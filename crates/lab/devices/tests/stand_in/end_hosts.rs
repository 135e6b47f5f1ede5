//! End hosts on bridges and cables of every sort: each address of the file's is there, and no way leads out.

use std::{fs, path::Path};

use devices::Device;
use topology::Topology;

use crate::support::{BOOT, lab_of, nothing_is_left, ping};

const HOSTS: &str = "VERSION: 2.0
PREFIX: test-Hosts
links:
  - endpoints: [\"Host-A:eth0\", \"host-b:eth0\", \"host-c:eth0\", \"host-d:eth0\"]
  - endpoints: [\"Host-A:eth2\", \"host-b:eth2:10.77.3.2/24\"]
    driver: veth
  - endpoints: [\"Host-A:eth1:10.77.1.1/30\", \"host-b:eth7:10.77.1.2/30\"]
    driver: macvlan
  - endpoints: [\"host-c:eth1:10.77.2.1/32\", \"host-d:eth1:10.77.2.2/32\"]
    driver: veth
";

fn way_out(device: &Device) -> String {
    device.exec_ok(["ip", "-4", "route", "show", "default"]).unwrap().trim().to_owned()
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn addresses_of_any_length_are_on_cables_and_on_second_bridges_also_after_a_reboot() {
    let topology = Topology::parse(HOSTS, "hosts.yml", Path::new("/"), &|_| None).unwrap();
    let lab = lab_of(&topology);
    let [a, b, c, d] = ["host-a", "host-b", "host-c", "host-d"].map(|name| lab.device(name).unwrap());
    for round in ["first", "second"] {
        ping(&a, "10.77.1.2");
        ping(&b, "10.77.1.1");
        ping(&c, "10.77.2.2");
        ping(&d, "10.77.2.1");
        let ways = [&a, &b, &c, &d].map(way_out);
        let expected = [
            "default via 10.77.1.2 dev eth1",
            "default via 10.77.3.1 dev eth2",
            "default dev eth1 scope link",
            "default dev eth1 scope link",
        ];
        assert_eq!(ways, expected, "{round}");
        [&a, &c].into_iter().for_each(|host| host.reboot().unwrap());
    }
    assert_eq!(a.exec_ok(["hostname"]).unwrap(), "Host-A\n");
    // The one that this machine is on, and not the second.
    ping(&b, &a.management_address().unwrap());
    lab.cut_link("Host-A:eth1").unwrap();
    assert!(!a.exec(["ping", "-c", "1", "-W", "1", "10.77.1.2"]).unwrap().status.success());
    lab.restore_link("Host-A:eth1").unwrap();
    ping(&a, "10.77.1.2");
    drop(lab);
    nothing_is_left("test-Hosts");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_file_of_version_1_is_brought_up_with_its_hosts_addresses() {
    let text = "links:\n  - [\"host-1:Interface-1:10.78.0.1/24\", \"host-2\"]\n  \
        - [\"host-1:Interface-2:10.78.1.1/24\", \"host-2:Interface-2:10.78.1.2/24\", \"host-3:eth0:10.78.1.3/24\"]\n";
    let topology = Topology::parse(text, "test-v1.yml", Path::new("/"), &|_| None).unwrap();
    let lab = lab_of(&topology);
    let [one, two, three] = ["host-1", "host-2", "host-3"].map(|name| lab.device(name).unwrap());
    ping(&one, "10.78.1.2");
    ping(&two, "10.78.1.3");
    ping(&three, "10.78.1.1");
    // host-1 is the gateway itself, and host-2's eth0 has Docker's address, whose gateway is this machine.
    assert_eq!(
        [&one, &two, &three].map(way_out),
        ["", "default via 10.78.1.1 dev eth1", "default via 10.78.1.1 dev eth0"]
    );
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn hosts_with_a_30_and_a_32_reach_what_is_behind_a_switch_with_capitals() {
    let directory = tempfile::tempdir().unwrap();
    let text = "VERSION: 2\nPREFIX: test-Cap\nPUBLISH_BASE: 0\ndriver: veth\nlinks:\n  \
        - {endpoints: [\"vEOS-1:eth0\", \"Host-30:eth0\", \"host-32:eth0\"], driver: bridge}\n  \
        - endpoints: [\"vEOS-1:eth1\", \"Host-30:eth1:10.79.0.6/30\"]\n  \
        - endpoints: [\"vEOS-1:eth2\", \"host-32:eth1:10.79.1.1/32\"]\n";
    let config = "hostname vEOS-1\ninterface Ethernet1\n   ip address 10.79.0.5/30\ninterface Ethernet2\n   \
        ip address 10.79.2.0/31\ninterface Loopback0\n   ip address 1.1.1.1/32\nip routing\n\
        ip route 10.79.1.1/32 Ethernet2\n";
    let file = directory.path().join("capitals.yml");
    fs::write(&file, text).unwrap();
    fs::create_dir(directory.path().join("config")).unwrap();
    fs::write(directory.path().join("config/test-Cap_vEOS-1"), config).unwrap();
    let lab = lab_of(&Topology::load(&file).unwrap());
    let switch = lab.device("veos-1").unwrap();
    assert_eq!(switch.wait_until_booted(BOOT).unwrap(), "running");
    assert_eq!((switch.exec_ok(["hostname"]).unwrap().trim(), switch.node_name().as_str()), ("vEOS-1", "veos-1"));
    for host in ["host-30", "host-32"] {
        ping(&lab.device(host).unwrap(), "1.1.1.1");
    }
}
