//! What the built program prints for someone who has heard enough.

#![allow(clippy::unwrap_used)]

use std::{fs::File, io, os::fd::OwnedFd, process::Command};

/// A pipe that nobody reads any more.
fn closed() -> File {
    let (_, writer) = io::pipe().unwrap();
    OwnedFd::from(writer).into()
}

#[test]
fn who_stops_reading_ends_it_quietly() {
    for arguments in [&["--help"][..], &["--version"]] {
        let ended = Command::new(env!("CARGO_BIN_EXE_kube-proxy")).args(arguments).stdout(closed()).output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_kube-proxy"));
    let wrong = command.arg("--no-such-flag").stdout(closed()).stderr(closed()).status().unwrap();
    assert_eq!(wrong.code(), Some(2));
}
