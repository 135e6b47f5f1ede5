//! Three switches and three hosts: OSPF between them, and static routes by way of it.

use std::{collections::BTreeMap, time::Duration};

use crate::support::{lab_up, ping, until_it_succeeds};

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn hosts_reach_every_switch_and_a_route_resolves_through_ospf() {
    let lab = lab_up("k8s.yml", "test-ospf", &BTreeMap::new());
    let host = lab.device("host-c1").unwrap();
    for address in ["1.1.1.1", "2.2.2.2", "3.3.3.3", "10.0.0.7", "10.0.0.9"] {
        ping(&host, address);
    }
    let master = lab.device("veos-b").unwrap();
    let neighbours = master.exec_ok(["vtysh", "-c", "show ip ospf neighbor"]).unwrap();
    assert_eq!(neighbours.matches("Full").count(), 2, "{neighbours}");

    let cli = |commands: &str| master.exec(["FastCli", "-p", "15", "-c", commands]).unwrap();
    assert!(cli("configure\nip route 10.16.7.0/24 3.3.3.3").status.success());
    let in_kernel = &["sh", "-c", "ip route show 10.16.7.0/24 | grep 'via 10.0.0.5 dev eth3'"];
    until_it_succeeds(&master, Duration::from_secs(10), in_kernel);
    let shown = cli("show ip route");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("10.16.7.0/24"));
    assert!(cli("enable\nconfigure\nno ip route 10.16.7.0/24 3.3.3.3\nend").status.success());
    let gone = &["sh", "-c", "! ip route show 10.16.7.0/24 | grep ."];
    until_it_succeeds(&master, Duration::from_secs(10), gone);

    for wrong in ["show running-config", "ip route 10.16.7.0/24 3.3.3.3", "configure\nip route 10.16.7.0/33 3.3.3.3"] {
        let output = cli(wrong);
        assert_eq!(output.status.code(), Some(1), "{wrong}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("% Invalid input"), "{wrong}");
    }
    assert!(String::from_utf8_lossy(&cli("show version").stdout).contains("This is not Arista EOS"));
}
