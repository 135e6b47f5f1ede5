//! Links cut and repaired.

use std::collections::BTreeMap;

use devices::Device;

use crate::support::{lab_up, ping};

fn reaches(from: &Device, address: &str) -> bool {
    from.exec(["ping", "-c", "1", "-W", "1", address]).unwrap().status.success()
}

fn carrier(device: &Device, interface: &str) -> bool {
    let file = format!("/sys/class/net/{interface}/carrier");
    device.exec(["cat", &file]).unwrap().stdout == b"1\n"
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_link_that_was_cut_carries_nothing_until_it_is_repaired() {
    let lab = lab_up("one.yml", "test-cut", &BTreeMap::new());
    let (switch, host) = (lab.device("veos-b").unwrap(), lab.device("host-c1").unwrap());
    ping(&host, "1.1.1.1");
    lab.cut_link("veos-b:eth1").unwrap();
    assert!(!carrier(&switch, "eth1") && !carrier(&host, "eth1"));
    assert!(!reaches(&switch, "10.0.0.1"));
    lab.restore_link("net-1").unwrap();
    // The address is the host's again by itself; its default route is not, as on any Linux.
    ping(&switch, "10.0.0.1");

    let management = switch.management_address().unwrap();
    ping(&host, &management);
    lab.cut_link("0").unwrap();
    assert!(!carrier(&host, "eth0") && !carrier(&switch, "eth0"));
    assert!(!reaches(&host, &management));
    lab.restore_link("net-0").unwrap();
    ping(&host, &management);
    assert!(lab.cut_link("net-7").unwrap_err().to_string().contains("no link net-7"));
}
