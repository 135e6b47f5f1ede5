//! A Service of an operator's has the address. What iptables and ip are asked is written down by fakes of them, so that the test's own address
//! stays.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread::sleep;
use std::time::Duration;

use api_watch::fake::SERVICES;
use serde_json::json;

use crate::running::Running;

#[test]
fn the_tables_are_read_no_more_than_needed_while_it_is_left_to_others_and_it_is_taken_again_after_that() {
    let mut running = Running::new();
    let programs = running.directory.path().join("programs");
    let log = running.directory.path().join("log");
    fs::create_dir(&programs).unwrap();
    for name in ["ip", "iptables", "iptables-save", "iptables-restore"] {
        let program = programs.join(name);
        fs::write(&program, format!("#!/bin/sh\necho {name} \"$@\" >>'{}'\n", log.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let read = || fs::read_to_string(&log).unwrap_or_default().matches("iptables-save").count();
    running.programs = Some(programs);
    running.flags.push("--pod-bridge-interface=kube0".to_owned());
    running.put_service("dns", json!({"clusterIP": "127.0.0.1"}));
    running.run();
    let is = |state: &str| running.status().is_some_and(|status| status["state"] == state);
    running.wait_for("it is left to others", || is("off"));
    sleep(Duration::from_secs(3));
    // Each of the chains, and once more.
    assert!((1..10).contains(&read()), "{}", fs::read_to_string(&log).unwrap());
    running.api.delete(SERVICES, "shop", "dns");
    running.wait_for("it is ours again", || is("serving"));
}
