//! What the built program prints for someone who has heard enough: it goes on with its work, and its exit code is its own.

#![allow(clippy::unwrap_used)]

use std::{fs::File, io, os::fd::OwnedFd, process::Command};

/// A pipe that nobody reads any more.
fn closed() -> File {
    let (_, writer) = io::pipe().unwrap();
    OwnedFd::from(writer).into()
}

#[test]
fn who_stops_reading_changes_nothing() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../cluster/tests/fixtures/cluster.toml");
    let calls =
        [&["--help"][..], &["--version"], &["token"], &["check", file], &["check", "/no/such/file"], &["restart"]];
    for arguments in calls {
        let run = |out: File, err: File| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_k8s-node"));
            command.args(arguments).stdout(out).stderr(err).status().unwrap().code()
        };
        let null = || File::options().write(true).open("/dev/null").unwrap();
        let heard = run(null(), null());
        assert!(matches!(heard, Some(0..=2)), "{arguments:?}: {heard:?}");
        assert_eq!(run(closed(), closed()), heard, "{arguments:?}");
        let said = Command::new(env!("CARGO_BIN_EXE_k8s-node")).args(arguments).stdout(closed()).output().unwrap();
        assert_eq!(
            said.stderr.is_empty(),
            heard == Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&said.stderr)
        );
    }
}
