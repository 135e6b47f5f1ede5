//! What was damaged on disk is found, made again, and never used.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use pipeline::{
    cache::Miss,
    engine::{StepStatus, Trust},
    known::entry_of,
};

use crate::support::{FETCH, Notes, Place, UNPACK, ran};

/// What is told of it, or what it is called; and how it is done.
type Damage<'a> = (&'a str, fn(&Path));

fn entry_json(place: &Place, step: &str) -> PathBuf {
    place.entry(step).out().with_file_name("entry.json")
}

fn damage_of(status: &StepStatus) -> &str {
    match status {
        StepStatus::Run(Miss::Damaged(what)) => what,
        other => panic!("the damage went unseen: {other}"),
    }
}

#[test]
fn a_tree_in_which_anything_changed_is_made_again() {
    let damages: [Damage<'_>; 6] = [
        ("a byte", |out| fs::write(out.join("go.mod"), "module thinG\n").unwrap()),
        ("a file cut off", |out| fs::write(out.join("go.mod"), "module").unwrap()),
        ("a file more", |out| fs::write(out.join("more"), "").unwrap()),
        ("a file less", |out| fs::remove_file(out.join("cmd/run")).unwrap()),
        ("a mode", |out| fs::set_permissions(out.join("cmd/run"), fs::Permissions::from_mode(0o755)).unwrap()),
        ("everything", |out| fs::remove_dir_all(out).unwrap()),
    ];
    for (what, damage) in damages {
        let place = Place::new();
        place.run();
        damage(&place.entry(UNPACK).out());
        let statuses = place.statuses(&[UNPACK], Trust::Digest);
        assert_eq!(damage_of(&statuses[1]), "its output is not what was recorded", "{what}");
        let notes = Notes::default();
        let summary = place.with_engine(&notes, 1, |engine| engine.run(&place.steps(), &[UNPACK])).unwrap();
        assert_eq!(ran(&summary), [UNPACK], "{what}");
        let lines = notes.lines();
        assert!(lines[0].starts_with("unpack-thing: damaged on disk") && lines.len() == 1, "{what}: {lines:?}");
        assert_eq!((place.made("go.mod").as_str(), place.made("cmd/run").as_str()), ("module thing\n", "#!/bin/sh\n"));
        assert_eq!(place.under_way(), Vec::<String>::new());
    }
}

#[test]
fn an_entry_whose_record_is_cut_off_gone_or_of_another_step_is_made_again() {
    let damages: [Damage<'_>; 4] = [
        ("its entry.json cannot be read", |file| {
            let text = fs::read(file).unwrap();
            fs::write(file, &text[..text.len() / 2]).unwrap();
        }),
        ("its entry.json cannot be read", |file| fs::write(file, "").unwrap()),
        ("its entry.json is gone", |file| fs::remove_file(file).unwrap()),
        ("its entry.json names another key", |file| {
            let key = file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(file).unwrap();
            assert!(text.contains(&key));
            fs::write(file, text.replacen(&key, "0123456789abcdef", 1)).unwrap();
        }),
    ];
    for (reason, damage) in damages {
        let place = Place::new();
        place.run();
        damage(&entry_json(&place, UNPACK));
        // Even a plan, which hashes nothing, sees that.
        assert_eq!(damage_of(&place.statuses(&[UNPACK], Trust::Presence)[1]), reason);
        assert_eq!(place.run(), [UNPACK], "{reason}");
        assert_eq!(place.made("go.mod"), "module thing\n");
    }
}

/// Swaps a byte of every blob in the store.
fn damage_blobs(place: &Place) {
    for blob in fs::read_dir(place.root().join("blobs")).unwrap() {
        let path = blob.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.iter().position(|&byte| byte == b'h').unwrap();
        bytes[middle] = b'H';
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_damaged_blob_is_fetched_again_before_anything_is_made_of_it() {
    let place = Place::new();
    place.run();
    damage_blobs(&place);
    assert_eq!(place.run(), Vec::<String>::new(), "nothing is made of it: the tree is there");

    place.remove(UNPACK);
    let statuses = place.statuses(&[UNPACK], Trust::Digest);
    assert_eq!(damage_of(&statuses[0]), "thing is not in the cache as it was fetched");
    assert_eq!(place.run(), [FETCH, UNPACK]);
    assert_eq!(place.made("go.mod"), "module thing\n");
    assert_eq!(place.run(), Vec::<String>::new());
}

#[test]
fn a_damaged_blob_that_cannot_be_fetched_again_stops_the_run() {
    let place = Place::new();
    place.run();
    let steps = place.steps();
    place.remove(UNPACK);
    damage_blobs(&place);
    fs::remove_dir_all(place.source_override("thing")).unwrap();
    let error = format!("{:#}", place.try_run(&steps, &[UNPACK], 1).unwrap_err());
    assert!(error.starts_with("step fetch-thing failed: "), "{error}");
    assert!(entry_of(&place.cache(), &steps, UNPACK).is_err(), "a tree was made of a damaged blob");
}

#[test]
fn what_a_fetch_answered_is_not_believed_when_it_was_changed() {
    let place = Place::new();
    place.run();
    fs::write(place.entry(FETCH).out().join("fetched.json"), "{}").unwrap();
    assert!(matches!(place.statuses(&[FETCH], Trust::Presence)[0], StepStatus::Run(Miss::Damaged(_))));
    let summary = place.try_run(&place.steps(), &[FETCH], 1).unwrap();
    assert_eq!(ran(&summary), [FETCH]);
    assert!(place.entry(FETCH).is_intact());
}
