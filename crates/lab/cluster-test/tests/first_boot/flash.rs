//! A flash that cannot be written: read-only, then full. The switch says so, and goes on once it is repaired. Later, a flash that
//! others have filled keeps no working cluster down.

use std::time::Duration;

use cluster_test::{LabSize, Switch};
use contract::status::{NodeState, Status};
use devices::Flash;

use crate::support::{LIMIT, MASTER, parts, repository, up};

/// From one attempt of the bring-up to the next, on a busy machine.
const NEXT_ATTEMPT: Duration = Duration::from_secs(90);

#[test]
#[ignore = "needs root, a Docker engine and the SWIX"]
fn a_flash_that_is_read_only_or_full_is_named_and_the_bring_up_goes_on_once_it_is_repaired() {
    let parts = parts();
    let cluster = repository().join("topo/cluster-one.toml");
    let flash = Flash::new().with_file("kubernetes.swix", &parts.swix).with_file("cluster.toml", cluster);
    let lab = up(LabSize::OneSwitch, "test-flash", &flash);
    let switch = lab.switch(MASTER).unwrap();
    switch.wait_until_booted(LIMIT).unwrap();
    // The stand-in's flash is a directory of the machine's disk; this one can be filled, and be made read-only by itself.
    switch
        .sh("cp -a /mnt/flash /root/flash
             mount -t tmpfs -o size=320m flash /mnt/flash
             cp -a /root/flash/. /mnt/flash
             mount -o remount,ro /mnt/flash")
        .unwrap();
    switch.exec_ok(["extension", "/mnt/flash/kubernetes.swix"]).unwrap();
    says(&switch, &["/mnt/flash", "ead-only"]);

    switch.exec_ok(["mount", "-o", "remount,rw", "/mnt/flash"]).unwrap();
    switch.sh("cat /dev/zero >/mnt/flash/filler || true").unwrap();
    says(&switch, &["/mnt/flash", "space"]);

    switch.exec_ok(["rm", "/mnt/flash/filler"]).unwrap();
    switch.wait_until_ready(LIMIT).unwrap_or_else(|error| panic!("{error:#}"));

    // As after a reboot: everything begins anew, but for the flash, where less is left than etcd's next file takes.
    switch.exec_ok(["k8s-node", "down"]).unwrap();
    switch
        .sh("left=$(df --output=avail --block-size=1M /mnt/flash | tail -n 1)
             head -c $(((left - 40) * 1048576)) /dev/zero >/mnt/flash/filler")
        .unwrap();
    switch.exec_ok(["systemctl", "start", "kubernetes-on-eos"]).unwrap();
    let status = switch.wait_until_ready(LIMIT).unwrap_or_else(|error| panic!("{error:#}"));
    let complaints = status.complaints();
    assert!(complaints.contains("the flash has") && complaints.contains("MiB left"), "{complaints}");
}

fn says(switch: &Switch, words: &[&str]) {
    let said = |status: &Status| {
        let complaints = status.complaints();
        status.state == NodeState::Failed && words.iter().all(|word| complaints.contains(word))
    };
    let what = format!("saying {words:?}");
    switch.wait_for(NEXT_ATTEMPT, &what, said).unwrap_or_else(|error| panic!("{error:#}"));
}
