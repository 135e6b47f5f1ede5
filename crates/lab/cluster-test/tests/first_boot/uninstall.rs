//! Removal of the extension: compared with the same switch when it boots without it.

use std::time::Duration;

use cluster_test::{Switch, residue};

use crate::support::parts;

/// The switch is rebooted for it, so this comes last.
pub fn leaves_nothing_but_the_flash(switch: &Switch) {
    let flash = residue::flash(switch).unwrap();
    let swix = parts().swix;
    let name = swix.file_name().and_then(|name| name.to_str()).unwrap();
    switch.exec_ok(["extension", "--remove", name]).unwrap();
    let removed = residue::everything(switch).unwrap();
    assert_eq!(flash, residue::flash(switch).unwrap());
    assert!(switch.sh(&format!("ls {}/member/snap/db", contract::places::ETCD)).is_ok());

    switch.exec_ok(["cp", "/dev/null", "/mnt/flash/boot-extensions"]).unwrap();
    switch.reboot().unwrap();
    assert_eq!(switch.wait_until_booted(Duration::from_secs(60)).unwrap(), "running");
    let plain = residue::everything(switch).unwrap();
    assert!(removed == plain, "not as on a plain switch:\n{}", residue::difference(&removed, &plain));
}
