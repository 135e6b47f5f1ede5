//! A patch is proven by its tests, which fail without it and pass with it. Go is a stand-in: its tests are a script that looks for a
//! word in the file of the tree, as the overlay has it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
};

use anyhow::Result;
use common::Arch;
use pipeline::{
    LOG_OF_PROOF, Proven,
    known::entry_of,
    shown_by_proof,
    step::{Fetch, InputFile, Proof, Step, TreeBuild, Unpack, Work},
};

use crate::support::{Place, name, ran, source};

const GO: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in -overlay) overlay=$2; shift ;; -o) out=$2; shift ;; esac
    shift
done
file=$PWD/thing.go
replaced=$(sed -n "s|.*\"$file\":\"\([^\"]*\)\".*|\1|p" "$overlay")
file=${replaced:-$file}
if grep -q limit thing_test.go && ! grep -q limit "$file"; then
    echo "./thing_test.go:2:2: undefined: limit" >&2
    exit 1
fi
if grep -q clash "$file"; then
    echo "./thing.go:2:1: clash" >&2
    exit 1
fi
cat >"$out" <<END
#!/bin/sh
echo "=== RUN   TestThing"
grep -q writes thing_test.go && echo other >testdata/in
grep -q around thing_test.go && echo other >other/in
if grep -q always thing_test.go || grep -q fixed "$file"; then
    echo "--- PASS: TestThing (0.00s)"
else
    echo "--- FAIL: TestThing (0.00s)"
    exit 1
fi
END
chmod +x "$out"
"#;

const FIX: &str = "--- a/thing.go\n+++ b/thing.go\n@@ -1,3 +1,3 @@\n package thing\n-// broken\n+var limit = 1 // fixed\n var x = 1\n";

/// A patch that adds a file with a test of that body.
fn with_test(changes: &str, body: &str) -> String {
    format!(
        "{changes}--- /dev/null\n+++ b/thing_test.go\n@@ -0,0 +1,3 @@\n+func TestThing(t *testing.T) {{\n+\t{body}\n+}}\n"
    )
}

struct Series {
    place: Place,
    patches: Vec<PathBuf>,
}

impl Series {
    fn new(patches: &[&str]) -> Self {
        let place = Place::new();
        place.write("thing", "thing.go", "package thing\n// broken\nvar x = 1\n");
        place.write("thing", "testdata/in", "as it was\n");
        place.write("thing", "other/in", "as it was\n");
        place.write("go", "go.mod", "module go\n");
        place.write("go", "bin/go", GO);
        fs::set_permissions(place.source_override("go").join("bin/go"), fs::Permissions::from_mode(0o755)).unwrap();
        let patches = patches.iter().enumerate().map(|(at, text)| {
            let path = place.directory.join(format!("{at}.patch"));
            fs::write(&path, text).unwrap();
            path
        });
        let patches = patches.collect();
        Series { place, patches }
    }

    /// The proof of the first patch, which knows of so many; the tree has all.
    fn steps(&self, known: usize) -> Vec<Step> {
        let mut steps = self.place.steps_of(&["thing", "go"]);
        steps.retain(|step| !matches!(&step.work, Work::Unpack(Unpack { source }) if *source.name == *"thing"));
        assert!(steps.iter().any(|step| matches!(step.work, Work::Fetch(Fetch { .. }))));
        let input = |path: &PathBuf| InputFile::new(path.file_name().unwrap().to_string_lossy(), path).unwrap();
        let tree = TreeBuild {
            source: source("thing"),
            patches: self.patches.iter().map(input).collect(),
            import_path: "a.org/thing".to_owned().try_into().unwrap(),
            aliases: vec![],
            generators: vec![],
        };
        let needs: Vec<&Step> = steps.iter().filter(|step| step.name == "fetch-thing").collect();
        let tree = Step::new("tree-thing", Work::Tree(tree), &needs);
        let go = toml::from_str("toolchain = 'go'\npackage = 'a.org/thing'").unwrap();
        let import_path = "a.org/thing".to_owned().try_into().unwrap();
        let proof =
            Proof::new(&name("thing"), import_path, &go, Arch::I386, &self.patches[..known], "0.patch").unwrap();
        let unpacked = steps.iter().find(|step| step.name == "unpack-go").unwrap();
        let proof = Step::new("prove-thing-0", Work::Proof(proof), &[&tree, unpacked]);
        steps.extend([tree, proof]);
        steps
    }

    fn proven(&self, known: usize) -> Result<Proven> {
        let steps = self.steps(known);
        self.place.try_run(&steps, &["prove-thing-0"], 1)?;
        let out = entry_of(&self.place.cache(), &steps, "prove-thing-0").unwrap().out();
        assert!(fs::read_to_string(out.join(LOG_OF_PROOF)).unwrap().contains("== with the patch"));
        shown_by_proof(&out)
    }

    fn refused(&self, known: usize) -> String {
        format!("{:#}", self.proven(known).unwrap_err())
    }
}

#[test]
fn a_test_that_fails_without_the_patch_and_passes_with_it_proves_it_once() {
    let series = Series::new(&[&with_test(FIX, "t.Log()")]);
    let expected = Proven { fail_without: ["TestThing".to_owned()].into(), ..Proven::default() };
    assert_eq!(series.proven(1).unwrap(), expected);
    let again = series.place.try_run(&series.steps(1), &["prove-thing-0"], 1).unwrap();
    assert_eq!(ran(&again), [""; 0], "what is proven is not tried again");
}

#[test]
fn a_test_that_names_what_the_patch_makes_proves_less_and_is_told() {
    let proven = Series::new(&[&with_test(FIX, "limit")]).proven(1).unwrap();
    assert!(proven.fail_without.is_empty());
    assert_eq!((proven.not_built[0].package.as_str(), proven.not_built[0].symbol.as_str()), ("a.org/thing", "limit"));
}

#[test]
fn a_test_that_passes_without_the_patch_proves_nothing() {
    let said = Series::new(&[&with_test(FIX, "always")]).refused(1);
    assert!(said.contains("TestThing: passes without the patch 0.patch as well"), "{said}");
}

#[test]
fn a_patch_that_mends_nothing_or_changes_only_tests_or_has_none_is_refused() {
    let idle = FIX.replace("fixed", "as it was");
    let said = Series::new(&[&with_test(&idle, "t.Log()")]).refused(1);
    assert!(said.contains("TestThing fails with the patch 0.patch"), "{said}");
    let said = Series::new(&[&with_test("", "t.Log()")]).refused(1);
    assert!(said.contains("0.patch changes nothing but tests"), "{said}");
    let said = Series::new(&[FIX]).refused(1);
    assert!(said.contains("0.patch brings no test"), "{said}");
}

#[test]
fn what_a_comment_of_the_patch_has_is_nothing_that_it_makes() {
    let told = FIX.replace("var limit = 1 // fixed", "// fixed, with a limit");
    let said = Series::new(&[&with_test(&told, "limit")]).refused(1);
    assert!(said.contains("do not compile without the patch 0.patch, and not as they name what it makes"), "{said}");
}

#[test]
fn a_test_may_write_into_its_data_and_not_into_the_tree() {
    let entry = |series: &Series, step: &str| entry_of(&series.place.cache(), &series.steps(1), step).unwrap();
    let series = Series::new(&[&with_test(FIX, "writes")]);
    assert_eq!(series.proven(1).unwrap().fail_without.len(), 1);
    let log = fs::read_to_string(entry(&series, "prove-thing-0").out().join(LOG_OF_PROOF)).unwrap();
    assert!(entry(&series, "tree-thing").is_intact() && !log.contains("testdata/in"), "its data are the tree's: {log}");

    let series = Series::new(&[&with_test(FIX, "around")]);
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        let said = series.refused(1);
        assert!(said.contains("write into the tree that programs are compiled of"), "{said}");
        return;
    }
    series.proven(1).unwrap();
    let log = fs::read_to_string(entry(&series, "prove-thing-0").out().join(LOG_OF_PROOF)).unwrap();
    assert!(log.contains("other/in: Read-only file system"), "{log}");
    assert!(entry(&series, "tree-thing").is_intact());
}

#[test]
fn a_patch_that_cannot_be_taken_back_is_named() {
    let over = FIX
        .replace("-// broken", "-var limit = 1 // fixed")
        .replace("+var limit = 1 // fixed", "+var limit = 1 // fixed in another way");
    let series = Series::new(&[&with_test(FIX, "t.Log()"), &over]);
    let said = series.refused(1);
    assert!(said.contains("0.patch cannot be taken back") && said.contains("thing.go"), "{said}");
    let proven = series.proven(2).unwrap();
    assert_eq!(
        (proven.also_without, proven.fail_without.len()),
        (vec!["1.patch".to_owned()], 1),
        "with the later one it can"
    );
}

#[test]
fn a_test_that_fails_without_a_later_patch_alone_is_no_proof_of_the_earlier_one() {
    let first = FIX.replace("fixed", "half");
    let later = FIX.replace("-// broken", "-var limit = 1 // half");
    let said = Series::new(&[&with_test(&first, "t.Log()"), &later]).refused(2);
    assert!(said.contains("1.patch alone is taken back, too, so that they show nothing of 0.patch"), "{said}");
}

#[test]
fn a_test_that_does_not_compile_without_a_later_patch_alone_is_no_proof_of_the_earlier_one() {
    let first = FIX.replace("fixed", "clash");
    let later = FIX.replace("-// broken", "-var limit = 1 // clash");
    let said = Series::new(&[&with_test(&first, "t.Log()"), &later]).refused(2);
    assert!(said.contains("1.patch alone is taken back, too, so that they show nothing of 0.patch"), "{said}");
}

#[test]
fn a_later_patch_that_only_goes_with_one_after_it_tells_nothing() {
    let hunk = "--- a/thing.go\n+++ b/thing.go\n@@ -1,3 ";
    let first = format!("{hunk}+1,4 @@\n package thing\n-// broken\n+// half\n var x = 1\n+// fixed\n");
    let back = format!("{hunk}+1,3 @@\n package thing\n-// half\n+// broken\n var x = 1\n");
    let last = format!("{hunk}+1,3 @@\n package thing\n-// broken\n+// other\n var x = 1\n");
    let said = Series::new(&[&with_test(&first, "t.Log()"), &back, &last]).refused(3);
    assert!(said.contains("1.patch cannot be taken back without 2.patch, so that nothing tells 0.patch"), "{said}");
}
