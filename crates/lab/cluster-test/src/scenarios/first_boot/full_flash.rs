//! A flash that cannot be written: read-only, then full. The switch says so, and goes on once it is repaired. Later, a flash that
//! others have filled keeps no working cluster down.

use anyhow::{Result, ensure};
use contract::{
    places::K8S_NODE,
    services::BOOTSTRAP,
    status::{NodeState, Status},
};
use devices::Flash;

use super::{NEXT_ATTEMPT, alone};
use crate::{Scene, Switch, extension, scene::BRING_UP};

const SWIX: &str = "kubernetes.swix";

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let parts = scene.parts;
    let flash =
        Flash::new().with_file(extension::on_flash(SWIX), &parts.swix).with_file("cluster.toml", &parts.cluster_toml);
    let switch = alone(scene, &flash)?;
    scene.step("make its flash read-only, and install: it says so", |_| {
        switch.wait_until_booted(BRING_UP)?;
        // The stand-in's flash is a directory of the machine's disk; this one can be filled, and be made read-only by itself.
        switch.sh("cp -a /mnt/flash /root/flash
                   mount -t tmpfs -o size=320m flash /mnt/flash
                   cp -a /root/flash/. /mnt/flash
                   mount -o remount,ro /mnt/flash")?;
        extension::install(&switch, SWIX)?;
        says(&switch, &["/mnt/flash", "ead-only"])
    })?;
    scene.step("make it writable, and fill it: it says so", |_| {
        switch.exec_ok(["mount", "-o", "remount,rw", "/mnt/flash"])?;
        switch.sh("cat /dev/zero >/mnt/flash/filler || true")?;
        says(&switch, &["/mnt/flash", "space"])
    })?;
    scene.step("make room: it becomes ready", |_| {
        switch.exec_ok(["rm", "/mnt/flash/filler"])?;
        switch.wait_until_ready(BRING_UP).map(drop)
    })?;
    scene.step("with less room than etcd's next file takes, it becomes ready again, and says what is left", |_| {
        // As after a reboot: everything begins anew, but for the flash.
        switch.exec_ok([K8S_NODE, "down"])?;
        switch.sh("left=$(df --output=avail --block-size=1M /mnt/flash | tail -n 1)
                   head -c $(((left - 40) * 1048576)) /dev/zero >/mnt/flash/filler")?;
        switch.exec_ok(["systemctl", "start", BOOTSTRAP])?;
        let complaints = switch.wait_until_ready(BRING_UP)?.complaints();
        ensure!(complaints.contains("the flash has") && complaints.contains("MiB left"), "it says: {complaints:?}");
        Ok(())
    })
}

fn says(switch: &Switch<'_>, words: &[&str]) -> Result<()> {
    let said = |status: &Status| {
        let complaints = status.complaints();
        status.state == NodeState::Failed && words.iter().all(|word| complaints.contains(word))
    };
    switch.wait_for(NEXT_ATTEMPT, &format!("saying {words:?}"), said).map(drop)
}
