//! Series of patches: applied, refused with the hunk, tried out and rewritten.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sources::patch::{self, PatchError, PatchOutcome};

const TEXT: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

const CHANGE: &str = "From: A <a@example.invalid>\nSubject: Say five in words\n\nBecause.\n---\n\
    diff --git a/dir/numbers b/dir/numbers\n--- a/dir/numbers\n+++ b/dir/numbers\n\
    @@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n-- \n2.39.2\n";

const NEW_FILE: &str = "Subject: Add a file\n---\ndiff --git a/new/file b/new/file\nnew file mode 100755\n\
    --- /dev/null\n+++ b/new/file\n@@ -0,0 +1 @@\n+new\n";

fn tree(directory: &Path, text: &str) -> PathBuf {
    let tree = directory.join("tree");
    fs::create_dir_all(tree.join("dir")).unwrap();
    fs::write(tree.join("dir/numbers"), text).unwrap();
    tree
}

fn series(directory: &Path, patches: &[&str]) -> Vec<PathBuf> {
    let write = |(number, text): (usize, &&str)| {
        let path = directory.join(format!("{:04}.patch", number + 1));
        fs::write(&path, text).unwrap();
        path
    };
    patches.iter().enumerate().map(write).collect()
}

#[test]
fn a_patch_inside_of_some_repository_really_changes_the_files() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Command::new("git").arg("init").arg("-q").arg(dir.path()).status().unwrap().success());
    let tree = tree(dir.path(), TEXT);
    patch::apply(&tree, &series(dir.path(), &[CHANGE, NEW_FILE])).unwrap();
    assert!(fs::read_to_string(tree.join("dir/numbers")).unwrap().contains("five"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(tree.join("new/file")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn a_patch_that_does_not_apply_names_file_and_hunk_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let text = TEXT.replace('5', "five already");
    let tree = tree(dir.path(), &text);
    let error = patch::apply(&tree, &series(dir.path(), &[CHANGE])).unwrap_err();
    let PatchError::DoesNotApply { patch, file, hunk, .. } = error.downcast_ref().unwrap() else { panic!("{error}") };
    assert!(patch.ends_with("0001.patch"));
    assert_eq!(file.as_deref(), Some("dir/numbers"));
    assert!(hunk.as_ref().unwrap().starts_with("@@ -2,7 +2,7 @@\n 2\n"));
    let shown = error.to_string();
    assert!(shown.contains("    @@ -2,7 +2,7 @@\n") && shown.contains("\n    -5\n"), "{shown}");
    assert_eq!(fs::read_to_string(tree.join("dir/numbers")).unwrap(), text);
}

#[test]
fn a_patch_for_a_file_that_is_not_there_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path(), TEXT);
    fs::remove_file(tree.join("dir/numbers")).unwrap();
    let error = patch::apply(&tree, &series(dir.path(), &[CHANGE])).unwrap_err().to_string();
    assert!(error.contains("does not apply to dir/numbers: No such file"), "{error}");
}

#[test]
fn a_trial_tells_what_applies_what_has_moved_and_what_fails_and_leaves_the_tree_alone() {
    let dir = tempfile::tempdir().unwrap();
    let second = CHANGE.replace("-5", "-five").replace("+five", "+FIVE");
    let patches = series(dir.path(), &[CHANGE, &second, NEW_FILE]);
    let outcomes = |text: &str| -> Vec<String> {
        let tree = tree(dir.path(), text);
        let checked = patch::check(&tree, &patches).unwrap();
        assert_eq!(fs::read_to_string(tree.join("dir/numbers")).unwrap(), text);
        let word = |outcome: &PatchOutcome| match outcome {
            PatchOutcome::Applies => "applies",
            PatchOutcome::Moved(_) => "moved",
            PatchOutcome::ContextChanged(_) => "context",
            PatchOutcome::Fails(_) => "fails",
        };
        checked.iter().map(|checked| word(&checked.outcome).to_owned()).collect()
    };
    assert_eq!(outcomes(TEXT), ["applies", "applies", "applies"]);
    assert_eq!(outcomes(&format!("0\n{TEXT}")), ["moved", "moved", "applies"]);
    assert_eq!(outcomes(&TEXT.replace('2', "two")), ["context", "context", "applies"]);
    assert_eq!(outcomes(&TEXT.replace('5', "V")), ["fails", "fails", "applies"]);
}

#[test]
fn a_refreshed_series_applies_as_it_stands_and_keeps_its_messages() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path(), &format!("0\n{}", TEXT.replace('2', "two")));
    let patches = series(dir.path(), &[CHANGE, NEW_FILE]);
    let refresh = patch::refresh(&tree, &patches).unwrap();
    assert!(refresh.stopped.is_none());
    assert_eq!(fs::read_to_string(&patches[0]).unwrap(), CHANGE, "nothing is written before it is asked for");
    for patch in &refresh.done {
        patch.write().unwrap();
    }
    let text = fs::read_to_string(&patches[0]).unwrap();
    let message = CHANGE.split_once("--- a/").unwrap().0;
    assert!(text.starts_with(message), "{text}");
    assert!(text.contains("@@ -3,7 +3,7 @@") && text.contains(" two\n") && text.ends_with("-- \n2.39.2\n"), "{text}");
    assert!(
        fs::read_to_string(&patches[1]).unwrap().contains("diff --git a/new/file b/new/file\nnew file mode 100755\n")
    );
    let checked = patch::check(&tree, &patches).unwrap();
    let applies = checked.iter().filter(|checked| matches!(checked.outcome, PatchOutcome::Applies));
    assert_eq!(applies.count(), patches.len(), "{checked:?}");
    let again = patch::refresh(&tree, &patches).unwrap().done;
    assert_eq!(again.iter().map(|patch| patch.differs).collect::<Vec<_>>(), [false, false]);
}

#[test]
fn a_refresh_stops_at_the_patch_that_no_longer_applies_with_its_hunk_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(dir.path(), &TEXT.replace('5', "V"));
    let refresh = patch::refresh(&tree, &series(dir.path(), &[NEW_FILE, CHANGE])).unwrap();
    assert_eq!(refresh.done.len(), 1);
    let stopped = refresh.stopped.unwrap();
    assert!(stopped.rejected.as_ref().unwrap().contains("+five"));
    assert!(stopped.to_string().contains("by hand") && stopped.to_string().contains("0002.patch"), "{stopped}");
}
