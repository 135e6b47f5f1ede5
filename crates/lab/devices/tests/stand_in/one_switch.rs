//! One switch by itself: what it is after power-on, what a reboot keeps, what the machine is spared.

use std::{collections::BTreeMap, fs};

use devices::{Flash, Power};

use crate::support::{BOOT, lab_up, ping};

const SWITCH: &str = "veos-b";

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn docker_on_a_switch_runs_a_container_of_an_image_that_was_made_there() {
    let lab = lab_up("one.yml", "test-docker", &BTreeMap::new());
    let switch = lab.device(SWITCH).unwrap();
    let script = "tar --create --dereference /bin/echo /lib/ld-linux.so.2 /lib/i386-linux-gnu/libc.so.6 |
        docker import - small >/dev/null && docker run --rm --privileged small /bin/echo from a container";
    assert_eq!(switch.exec_ok(["sh", "-ec", script]).unwrap(), "from a container\n");
    assert_eq!(switch.exec_ok(["dpkg", "--print-architecture"]).unwrap(), "i386\n");
    assert!(switch.exec_ok(["docker", "info", "--format", "{{.Driver}}"]).unwrap().starts_with("overlay2"));
    assert_eq!(switch.exec_ok(["su", "admin", "-c", "enable\nbash sudo -n id -u"]).unwrap(), "0\n");
    assert_eq!(switch.exec_ok(["systemctl", "is-active", "ssh"]).unwrap(), "active\n");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_new_root_has_flash_and_the_links_and_nothing_else_of_before() {
    let flash = BTreeMap::from([(SWITCH.to_owned(), Flash::new().with_bytes("directory/file", "given\n"))]);
    let lab = lab_up("one.yml", "test-reboot", &flash);
    let (switch, host) = (lab.device(SWITCH).unwrap(), lab.device("host-c1").unwrap());
    ping(&host, "1.1.1.1");
    let steps: [fn(&devices::Device); 2] = [
        |switch| switch.reboot().unwrap(),
        |switch| {
            switch.cut_power().unwrap();
            assert_eq!(switch.power().unwrap(), Power::Off);
            switch.power_on().unwrap();
        },
    ];
    for step in steps {
        switch
            .exec_ok(["sh", "-ec", "date >>/mnt/flash/written; touch /etc/forgotten; docker volume create old"])
            .unwrap();
        let before = switch.exec_ok(["cat", "/mnt/flash/written"]).unwrap();
        step(&switch);
        assert_eq!(switch.wait_until_booted(BOOT).unwrap(), "running");
        assert_eq!(switch.exec_ok(["cat", "/mnt/flash/directory/file"]).unwrap(), "given\n");
        assert_eq!(switch.exec_ok(["cat", "/mnt/flash/written"]).unwrap(), before);
        assert!(!switch.exec(["test", "-e", "/etc/forgotten"]).unwrap().status.success());
        assert_eq!(switch.exec_ok(["docker", "volume", "ls", "--quiet"]).unwrap(), "");
        assert_eq!(switch.exec_ok(["hostname"]).unwrap(), "veos-b\n");
        ping(&host, "1.1.1.1");
    }
    lab.device("host-c1").unwrap().reboot().unwrap();
    ping(&host, "1.1.1.1");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn another_switch_in_a_switch_s_place_has_what_it_is_given_and_nothing_of_the_old_one() {
    let flash = BTreeMap::from([(SWITCH.to_owned(), Flash::new().with_bytes("old", "given\n"))]);
    let lab = lab_up("one.yml", "test-other", &flash);
    let (switch, host) = (lab.device(SWITCH).unwrap(), lab.device("host-c1").unwrap());
    // A flash that has had a name since a reboot goes like one that never had.
    for round in ["first", "second"] {
        switch.exec_ok(["sh", "-ec", "echo written >/mnt/flash/written; touch /etc/forgotten"]).unwrap();
        switch.reboot().unwrap();
        switch.wait_until_booted(BOOT).unwrap();
        switch.cut_power().unwrap();
        switch.replace(&Flash::new().with_bytes("directory/new", round)).unwrap();
        assert_eq!(switch.wait_until_booted(BOOT).unwrap(), "running");
        assert_eq!(switch.exec_ok(["cat", "/mnt/flash/directory/new"]).unwrap(), round);
        let left = switch.exec_ok(["sh", "-c", "ls -d /mnt/flash/old /mnt/flash/written /etc/forgotten || true"]);
        assert_eq!(left.unwrap(), "");
        assert_eq!(switch.exec_ok(["hostname"]).unwrap(), "veos-b\n");
        ping(&host, "1.1.1.1");
    }
    assert!(host.replace(&Flash::new()).is_err(), "a host has no flash");
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn what_a_switch_writes_for_the_whole_machine_stays_on_the_switch() {
    let lab = lab_up("one.yml", "test-kernel", &BTreeMap::new());
    let switch = lab.device(SWITCH).unwrap();
    for file in [
        "/proc/sys/kernel/panic",
        "/proc/sys/kernel/keys/root_maxkeys",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/net/netfilter/nf_conntrack_buckets",
        "/proc/sys/net/netfilter/nf_conntrack_max",
        "/sys/module/nf_conntrack/parameters/hashsize",
    ] {
        let before = fs::read_to_string(file).unwrap();
        switch.exec_ok(["sh", "-ec", &format!("echo 12345 >{file}")]).unwrap();
        assert_eq!(switch.exec_ok(["cat", file]).unwrap(), "12345\n");
        assert_eq!(fs::read_to_string(file).unwrap(), before, "{file}");
    }
    let routes = switch.exec_ok(["ip", "route", "show", "default"]).unwrap();
    assert_eq!(routes, "", "1.1.1.1 and the like must not get out");
    let roots = "for root in /sys/fs/cgroup/*/release_agent; do [ ! -e $root ] || echo $root; done";
    assert_eq!(switch.exec_ok(["sh", "-c", roots]).unwrap(), "", "hierarchies that all devices share");
}
