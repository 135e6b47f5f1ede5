//! Power that goes at any moment: keys are on the disk before any certificate, and within each of the two writes
//! any of the files may be the new ones.

use std::collections::BTreeMap;

use crate::support::{DAY, Switch, now};

type Files = BTreeMap<String, Vec<u8>>;

fn is_key(name: &str) -> bool {
    name.ends_with("-key.pem")
}

/// What a power cut may have left between two states: every cut within the first write and the second one, in
/// either order of names, and each file alone.
fn cuts(before: &Files, after: &Files) -> Vec<Files> {
    let changed: Vec<&String> = after.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
    let (keys, others): (Vec<&String>, Vec<&String>) = changed.into_iter().partition(|name| is_key(name));
    let mut cuts = Vec::new();
    let mut partly = |start: &Files, names: &[&String]| {
        let mut add = |chosen: &[&String]| {
            let mut files = start.clone();
            files.extend(chosen.iter().map(|name| ((*name).clone(), after[*name].clone())));
            cuts.push(files);
        };
        for count in 0..=names.len() {
            add(&names[..count]);
            add(&names[count..]);
        }
        names.iter().for_each(|name| add(&[name]));
    };
    partly(before, &keys);
    let mut with_keys = before.clone();
    with_keys.extend(keys.iter().map(|name| ((*name).clone(), after[*name].clone())));
    partly(&with_keys, &others);
    cuts
}

#[test]
fn a_first_boot_that_was_cut_off_ends_whole_and_keeps_every_key() {
    let whole = Switch::master().files();
    for cut in cuts(&Files::new(), &whole) {
        let master = Switch::empty_master();
        master.set_files(&cut);
        master.write(".new-abc", "half a key");
        let names: Vec<_> = cut.keys().collect();
        master.ensure(now()).unwrap_or_else(|error| panic!("{names:?}: {error}"));
        let repaired = master.files();
        assert_eq!(repaired.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>(), "{names:?}");
        for (name, contents) in cut.iter().filter(|(name, _)| is_key(name)) {
            assert_eq!(repaired[name], *contents, "{names:?}: {name}");
        }
        let second = master.ensure(now()).unwrap();
        assert_eq!(master.files(), repaired, "{second:?}");
        master.require_ok(now());
    }
}

#[test]
fn a_renewal_that_was_cut_off_ends_whole() {
    let master = Switch::master();
    let before = master.files();
    let later = now() + DAY * 1300;
    master.ensure(later).unwrap();
    let after = master.files();
    for cut in cuts(&before, &after) {
        master.set_files(&cut);
        master.ensure(later).unwrap();
        master.require_ok(later);
    }
    master.require_sound(later);
}

#[test]
fn an_enrolment_that_was_cut_off_ends_whole() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    for cut in cuts(&Files::new(), &worker.files()) {
        worker.set_files(&cut);
        worker.enrol(&master, now()).unwrap();
        assert_eq!(worker.requests(now()).unwrap(), None);
        for (name, contents) in cut.iter().filter(|(name, _)| is_key(name)) {
            assert_eq!(worker.files()[name], *contents, "{name}");
        }
    }
    worker.require_sound(now());
}

#[test]
fn a_renewal_of_a_worker_that_was_cut_off_ends_whole() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let before = worker.files();
    let later = now() + DAY * 1300;
    master.ensure(later).unwrap();
    worker.enrol(&master, later).unwrap().unwrap();
    for cut in cuts(&before, &worker.files()) {
        worker.set_files(&cut);
        worker.enrol(&master, later).unwrap();
        assert_eq!(worker.requests(later).unwrap(), None);
    }
    worker.require_sound(later);
}

#[test]
fn a_change_of_authority_that_was_cut_off_ends_whole() {
    let old = Switch::master();
    let new = Switch::master();
    let worker = Switch::worker(&old, "veos-l1");
    worker.remove("ca.pem");
    let before = worker.files();
    worker.enrol(&new, now()).unwrap().unwrap();
    for cut in cuts(&before, &worker.files()) {
        worker.set_files(&cut);
        worker.enrol(&new, now()).unwrap();
        assert_eq!(worker.requests(now()).unwrap(), None);
    }
    worker.require_sound(now());
}
