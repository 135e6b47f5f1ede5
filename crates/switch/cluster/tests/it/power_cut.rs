//! Power that goes at any moment: keys are on the disk before any certificate, and within each of the two writes
//! any of the files may be the new ones.

use std::collections::BTreeMap;

use cluster::pki;

use crate::support::{DAY, Switch, now, openssl, text};

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

/// What begins a rotation writes: the new key, ca.pem, the new key in the old one's place. Then come the certificates.
#[test]
fn a_rotation_that_was_cut_off_ends_whole_and_with_one_new_authority() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let before = master.files();
    master.begin_rotation(now()).unwrap();
    let begun = master.files();
    master.ensure(now()).unwrap();
    let whole = master.files();
    let mut with_key = before.clone();
    with_key.insert("ca-next-key.pem".into(), begun["ca-key.pem"].clone());
    let mut with_authority = with_key.clone();
    with_authority.insert("ca.pem".into(), begun["ca.pem"].clone());
    let cuts_of_certificates = cuts(&begun, &whole);
    for (cut, begins_anew) in [(before, true), (with_key.clone(), false), (with_authority, false)]
        .into_iter()
        .chain(cuts_of_certificates.into_iter().map(|cut| (cut, false)))
    {
        master.set_files(&cut);
        // The master boots, and the operator says it again where it was not done.
        master.ensure(now()).unwrap();
        master.begin_rotation(now()).unwrap();
        master.ensure(now()).unwrap();
        let names: Vec<String> = master.files().into_keys().collect();
        assert!(names.iter().all(|name| whole.contains_key(name)) && names.len() == whole.len(), "{names:?}");
        assert_eq!(master.files()["ca-key.pem"] != begun["ca-key.pem"], begins_anew);
        master.require_ok(now());
        let both = text(&master.file("ca.pem"));
        openssl(&format!("verify -CAfile {both} {}", text(&worker.file("node.pem"))));
    }
    master.require_sound(now());
    master.set_files(&whole);
    pki::finish_rotation(&master.path()).unwrap();
    let finished = master.files();
    master.ensure(now()).unwrap();
    for cut in cuts(&finished, &master.files()) {
        master.set_files(&cut);
        master.ensure(now()).unwrap();
        master.require_ok(now());
        assert!(pki::rotation(&master.path()).unwrap().is_none());
    }
}

#[test]
fn a_worker_that_was_cut_off_while_it_changed_over_ends_whole() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    master.begin_rotation(now()).unwrap();
    master.ensure(now()).unwrap();
    for finish in [false, true] {
        if finish {
            pki::finish_rotation(&master.path()).unwrap();
            master.ensure(now()).unwrap();
        }
        let before = worker.files();
        worker.enrol_anew(&master, now()).unwrap();
        for cut in cuts(&before, &worker.files()) {
            worker.set_files(&cut);
            worker.enrol_anew(&master, now()).unwrap();
            worker.require_sound(now());
            assert_eq!(worker.read("ca.pem"), master.read("ca.pem"));
        }
    }
}
