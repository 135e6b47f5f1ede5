//! What is news, and how a line comes to the log.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, UNIX_EPOCH},
};

use rustix::mount::{MountFlags, mount};

use super::*;
use crate::test_support::in_mount_namespace;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// At which of these seconds, each with how it stands, something is said.
fn said(stands: &[(u64, Event)]) -> Vec<u64> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("syslog/node");
    let begun = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let is_said = |at: &u64, event| is_news(&file, event, begun + Duration::from_secs(*at)).unwrap();
    stands.iter().filter(|(at, event)| is_said(at, *event)).map(|(at, _)| *at).collect()
}

#[test]
fn every_event_is_a_line_in_eos_form() {
    for event in Event::ALL {
        let line = line(*event, "what");
        let (head, text) = line.split_once(": ").unwrap();
        let [facility, severity, mnemonic] = head.splitn(3, '-').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_eq!((facility, text), ("%KOE", "what"));
        assert!(["4", "5"].contains(&severity), "{line}");
        assert!(mnemonic.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{line}");
    }
    assert_eq!(line(Event::FlashFilling, " 12 MiB\n left\u{1b}[31m\0"), "%KOE-4-FLASH_FILLING: 12 MiB left [31m");
    let long = line(Event::NodeReady, &"é".repeat(5000));
    assert!(long.ends_with("é…") && long.chars().count() < LONGEST + 40, "{}", long.len());
}

#[test]
fn a_short_fault_is_none_a_lasting_one_is_said_once_a_day_and_its_end_too() {
    use Event::{NodeNotReady, NodeReady};
    let stands = [
        (0, NodeReady),
        (30, NodeReady),
        (60, NodeNotReady),
        (90, NodeNotReady),
        // A restart, no more.
        (100, NodeReady),
        (200, NodeNotReady),
        (230, NodeNotReady),
        (260, NodeNotReady),
        (290, NodeNotReady),
        (260 + DAY, NodeNotReady),
        (270 + DAY, NodeNotReady),
        (300 + DAY, NodeReady),
        (330 + DAY, NodeReady),
    ];
    assert_eq!(said(&stands), [0, 260, 260 + DAY, 300 + DAY]);
}

#[test]
fn what_was_never_wrong_is_not_said_to_be_well_again() {
    use Event::{FlashFilling, FlashHasRoom, MasterReachable, MasterUnreachable};
    assert_eq!(said(&[(0, FlashHasRoom), (MINUTE, FlashHasRoom)]), [0_u64; 0]);
    assert_eq!(
        said(&[(0, FlashHasRoom), (1, FlashFilling), (2, FlashFilling), (3, FlashHasRoom), (4, FlashHasRoom)]),
        [1, 3]
    );
    let short = [(0, MasterReachable), (1, MasterUnreachable), (30, MasterUnreachable), (31, MasterReachable)];
    assert_eq!(said(&short), [0_u64; 0]);
}

#[test]
fn a_record_that_is_damaged_costs_a_line_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node");
    fs::write(&file, "{").unwrap();
    assert!(is_news(&file, Event::NodeReady, UNIX_EPOCH).unwrap());
    assert!(!is_news(&file, Event::NodeReady, UNIX_EPOCH).unwrap());
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_line_comes_to_the_log_of_the_system_with_priority_and_tag() {
    in_mount_namespace(|| {
        mount("dev", "/dev", "tmpfs", MountFlags::empty(), None).unwrap();
        let log = UnixDatagram::bind("/dev/log").unwrap();
        log.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        say(Event::MasterUnreachable, "1.1.1.1 does not answer");
        let mut bytes = [0; 2000];
        let length = log.recv(&mut bytes).unwrap();
        let line = String::from_utf8_lossy(&bytes[..length]).into_owned();
        // local4 is 20 of the facilities, and a warning 4 of the severities.
        assert_eq!(line, "<164>KubernetesOnEos: %KOE-4-MASTER_UNREACHABLE: 1.1.1.1 does not answer");
    });
}
