//! The version of systemd that each directive and value of our units came in with: systemd-since.txt, held against what 219 knows,
//! against the units, and against what docs/release-1.12.md says of Fedora 18's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::{
    support::{OLD_SYSTEMD, OnSwitch, every_unit, recipes, repository},
    systemd_219, unit_file,
};

const SINCE: &str = include_str!("systemd-since.txt");

/// Fedora 18 came out with it, and so did the EOS of that userland.
const FEDORA_18: u32 = 195;

fn since() -> BTreeMap<&'static str, u32> {
    let mut since = BTreeMap::new();
    for line in SINCE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (version, names) = line.split_once(": ").unwrap();
        for name in names.split_whitespace() {
            assert!(since.insert(name, version.parse().unwrap()).is_none(), "{name} is in it twice");
        }
    }
    since
}

/// What of a unit came in after a version: its type, its directives, and values that came later than their directives.
fn newer_than(version: u32, unit: &OnSwitch) -> BTreeSet<(u32, String)> {
    let since = since();
    let kind = unit.extends();
    let kind = kind.rsplit_once('.').unwrap().1;
    let mut named = vec![format!("*.{kind}")];
    for assignment in unit_file::read(&unit.text).0 {
        let (name, value) = (&assignment.name, &assignment.value);
        named.push(name.clone());
        named.extend(value.split_whitespace().map(|word| format!("{name}={word}")));
        named.extend(value.split_whitespace().filter(|word| word.starts_with('-')).map(|_| format!("{name}=-")));
    }
    let of = |name: String| since.get(name.as_str()).map(|since| (*since, name.clone()));
    named.into_iter().filter_map(of).filter(|(since, _)| *since > version).collect()
}

#[test]
fn what_came_after_219_is_not_in_the_list_of_what_219_knows_and_the_rest_is() {
    let known = systemd_219::names();
    for (name, version) in since() {
        let (directive, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        if let Some(kind) = name.strip_prefix("*.") {
            assert!(systemd_219::has_unit_type(kind) && version <= OLD_SYSTEMD, "{name}");
            continue;
        }
        match value {
            None => assert_eq!(known.contains(directive), version <= OLD_SYSTEMD, "{name}: {version}"),
            Some("-") => assert!(known.contains(directive) && version <= OLD_SYSTEMD, "{name}: {version}"),
            Some(value) => {
                let is_taken = systemd_219::takes(directive, value);
                assert_eq!(is_taken, version <= OLD_SYSTEMD, "{name}: {version}");
            }
        }
    }
}

#[test]
fn no_unit_for_219_has_what_came_later() {
    for unit in every_unit(OLD_SYSTEMD) {
        assert_eq!(newer_than(OLD_SYSTEMD, &unit), BTreeSet::new(), "{}", unit.source.display());
    }
    let text = "[Service]\nExecStart=/x\nTimeoutStartSec=infinity\n[Timer]\nRandomizedDelaySec=15min\n".to_owned();
    let unit = OnSwitch { name: "kube-proxy.service".into(), source: "x".into(), text };
    let newer: Vec<(u32, String)> = newer_than(OLD_SYSTEMD, &unit).into_iter().collect();
    assert_eq!(newer, [(229, "RandomizedDelaySec".into()), (229, "TimeoutStartSec=infinity".into())]);
}

#[test]
fn the_manual_of_1_12_lists_what_fedora_18_does_not_know() {
    let units = recipes().join("1.12/units");
    let rootfs = repository().join("rootfs");
    let mut newer: BTreeMap<String, u32> = BTreeMap::new();
    for unit in every_unit(OLD_SYSTEMD) {
        if unit.source.starts_with(&units) || unit.source.starts_with(&rootfs) {
            newer.extend(newer_than(FEDORA_18, &unit).into_iter().map(|(since, name)| (name, since)));
        }
    }
    let manual = fs::read_to_string(repository().join("docs/release-1.12.md")).unwrap();
    let row = |line: &str| -> Option<(String, u32)> {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split('|').collect();
        Some((cells[0].trim().trim_end_matches('`').to_owned(), cells.get(1)?.trim().parse().ok()?))
    };
    let listed: BTreeMap<String, u32> = manual.lines().filter_map(row).collect();
    assert_eq!(listed, newer);
}
