//! What runs, what does not, and why; and what is left when a step fails.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    thread,
    time::Duration,
};

use common::Sha256;
use pipeline::{
    cache::Miss,
    engine::{StepStatus, Trust},
    known::entry_of,
    step::{Fetch, InputFile, Step, TreeBuild, Work},
};

use crate::support::{FETCH, Notes, Place, UNPACK, names, ran, shown};

#[test]
fn a_second_run_runs_nothing() {
    let place = Place::new();
    let nothing_yet = StepStatus::Run(Miss::NeverBuilt).to_string();
    assert_eq!(shown(&place.statuses(&[UNPACK], Trust::Presence)), [nothing_yet.clone(), nothing_yet]);
    let first = place.try_run(&place.steps(), &[UNPACK], 1).unwrap();
    assert_eq!((ran(&first), first.cached), (vec![FETCH.to_owned(), UNPACK.to_owned()], 0));
    assert_eq!(place.made("go.mod"), "module thing\n");

    let inode = || fs::metadata(place.entry(UNPACK).out()).unwrap().ino();
    let before = inode();
    // Neither times nor what is rewritten with the same content counts.
    thread::sleep(Duration::from_millis(10));
    place.write("thing", "go.mod", "module thing\n");
    let second = place.try_run(&place.steps(), &[UNPACK], 1).unwrap();
    assert_eq!((ran(&second), second.cached), (vec![], 1), "only the goal is asked for; it is there");
    assert_eq!(inode(), before);
    let both = place.try_run(&place.steps(), &[FETCH, UNPACK], 2).unwrap();
    assert_eq!((ran(&both), both.cached), (vec![], 2));
    assert_eq!(shown(&place.statuses(&[UNPACK], Trust::Digest)), ["not needed", "cached"]);
    assert_eq!(place.under_way(), Vec::<String>::new());
}

#[test]
fn only_what_the_goal_needs_runs() {
    let place = Place::new();
    let summary = place.try_run(&place.steps(), &[FETCH], 2).unwrap();
    assert_eq!(ran(&summary), [FETCH]);
    assert_eq!(place.run(), [UNPACK]);
}

#[test]
fn a_changed_input_runs_again_and_is_named() {
    let place = Place::new();
    place.run();
    let first = place.entry(UNPACK).out();
    place.write("thing", "go.mod", "module changed\n");
    let statuses = place.statuses(&[UNPACK], Trust::Presence);
    assert_eq!(
        shown(&statuses),
        [
            "run     changed: work.fetch.brought",
            "run     unless fetch-thing, which runs first, makes what it made before"
        ]
    );
    assert_eq!(place.run(), [FETCH, UNPACK]);
    assert_eq!(place.made("go.mod"), "module changed\n");
    assert_ne!(place.entry(UNPACK).out(), first);

    // What was made before is still there, and is used when its inputs are back.
    place.write("thing", "go.mod", "module thing\n");
    assert_eq!(place.run(), Vec::<String>::new());
    assert_eq!(place.made("go.mod"), "module thing\n");
}

#[test]
fn every_kind_of_change_is_told_by_its_place() {
    let place = Place::new();
    place.run();
    let steps = place.steps();
    let Work::Fetch(fetch) = &steps[0].work else { panic!("the first step fetches") };
    let with = |change: fn(&mut Fetch)| {
        let mut fetch = fetch.clone();
        change(&mut fetch);
        let step = Step::new(FETCH, Work::Fetch(fetch), &[]);
        entry_of(&place.cache(), &[step], FETCH).unwrap_err()
    };
    let changed = |places: &[&str]| Miss::Changed(places.iter().map(|&place| place.to_owned()).collect());
    assert_eq!(with(|fetch| fetch.source.version = "2".into()), changed(&["work.fetch.source.version"]));
    assert_eq!(with(|fetch| fetch.only = Some(recipes::OriginKind::Git)), changed(&["work.fetch.only"]));
    let both = with(|fetch| {
        fetch.source_override = Some(Sha256::of_bytes("x"));
        fetch.source.markers.clear();
    });
    assert_eq!(both, changed(&["work.fetch.brought", "work.fetch.source.markers"]));
}

#[test]
fn a_step_that_fails_is_named_and_the_finished_ones_are_kept() {
    for jobs in [1, 2] {
        let place = Place::new();
        place.write("other", "go.mod", "module other\n");
        let link = place.source_override("other").join("link");
        symlink("../../outside", &link).unwrap();
        let steps = place.steps_of(&["thing", "other"]);
        let goals = [UNPACK, "unpack-other"];
        let notes = Notes::default();
        let error = place.with_engine(&notes, jobs, |engine| engine.run(&steps, &goals)).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("step unpack-other failed: "), "{text}");
        assert!(text.contains("link is a link to ../../outside, outside of the tree"), "{text}");
        assert_eq!(notes.lines().iter().any(|line| line.contains("what they make is kept")), jobs > 1);
        assert_eq!(place.under_way(), Vec::<String>::new());
        assert!(!place.root().join("steps/unpack-other").exists(), "something is kept of what failed");

        fs::remove_file(link).unwrap();
        let steps = place.steps_of(&["thing", "other"]);
        let again = ran(&place.try_run(&steps, &goals, jobs).unwrap());
        assert!(!again.contains(&FETCH.to_owned()), "{again:?}: what was finished is used");
        assert!(again.ends_with(&["unpack-other".to_owned()]) || again.ends_with(&[UNPACK.to_owned()]), "{again:?}");
    }
}

#[test]
fn a_source_that_is_not_that_component_is_refused_before_any_step_runs() {
    let place = Place::new();
    // It lacks what every tree of it has.
    place.write("other", "README", "");
    let steps = place.steps_of(&["thing", "other"]);
    let error = place.try_run(&steps, &[UNPACK, "unpack-other"], 1).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.starts_with("step fetch-other failed: "), "{text}");
    assert!(text.contains("is not a tree of other: go.mod is not in it"), "{text}");
    assert!(error.downcast_ref::<sources::NotThatComponent>().is_some(), "{error:?}");
    assert_eq!(names(&place.root().join("steps")), Vec::<String>::new());
}

#[test]
fn what_was_made_of_a_file_that_changed_after_the_plan_is_not_kept() {
    let place = Place::new();
    let patch = place.directory.join("0001-add.patch");
    let adding = |line: &str| {
        format!("diff --git a/new b/new\nnew file mode 100644\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+{line}\n")
    };
    let plan = || {
        let mut steps = place.steps();
        let Work::Unpack(unpack) = steps.pop().unwrap().work else { panic!("the second step unpacks") };
        let work = TreeBuild {
            source: unpack.source,
            patches: vec![InputFile::new("0001-add.patch", &patch).unwrap()],
            import_path: "example.invalid/thing".to_owned().try_into().unwrap(),
            aliases: vec![],
            generators: vec![],
        };
        steps.push(Step::new("tree-thing", Work::Tree(work), &[&steps[0]]));
        steps
    };
    fs::write(&patch, adding("planned")).unwrap();
    let planned = plan();
    fs::write(&patch, adding("other")).unwrap();
    let error = format!("{:#}", place.try_run(&planned, &["tree-thing"], 1).unwrap_err());
    assert!(error.contains("0001-add.patch changed while it was being used"), "{error}");
    assert_eq!(ran(&place.try_run(&plan(), &["tree-thing"], 1).unwrap()), ["tree-thing"]);
}

#[test]
fn what_is_made_of_the_same_bytes_by_another_way_is_not_made_again() {
    let place = Place::new();
    place.run();
    let unpacked = fs::metadata(place.entry(UNPACK).out()).unwrap().ino();
    // The fetch is another one, and brings what it brought before.
    let refetched = |steps: &mut Vec<Step>| {
        let Work::Fetch(fetch) = &mut steps[0].work else { panic!("the first step fetches") };
        fetch.only = Some(recipes::OriginKind::Git);
    };
    let mut steps = place.steps();
    refetched(&mut steps);
    let waits = place.with_engine(&Notes::default(), 1, |engine| engine.statuses(&steps, &[UNPACK], Trust::Presence));
    assert!(matches!(waits[1], StepStatus::Run(Miss::Waits(_))), "{waits:?}");
    let summary = place.try_run(&steps, &[UNPACK], 2).unwrap();
    assert_eq!((ran(&summary), summary.cached), (vec![FETCH.to_owned()], 1));
    let entry = entry_of(&place.cache(), &steps, UNPACK).unwrap();
    assert_eq!(fs::metadata(entry.out()).unwrap().ino(), unpacked);
}
