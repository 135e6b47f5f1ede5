//! What runs on GitHub, compared with what it is to run and to publish. It has never run there: what can be held of it
//! without GitHub is held here.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use common::{Arch, command::Program, files};
use pipeline::{
    host::Host,
    origin::BuildOrigin,
    plan::{Plan, PlanRequest, plan},
    step::{InputFile, Work},
};
use serde_json::Value;

use crate::workspace;

/// Has GitHub's schema of workflows with it.
const CHECKER: &str = "check-jsonschema==0.39.0";

fn file() -> PathBuf {
    workspace().join(".github/workflows/build.yml")
}

fn workflow() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(file()).unwrap()).unwrap()
}

fn jobs() -> serde_json::Map<String, Value> {
    workflow()["jobs"].as_object().unwrap().clone()
}

/// The steps of all jobs that use an action.
fn uses(action: &str) -> Vec<Value> {
    let steps = jobs().into_iter().flat_map(|(_, job)| job["steps"].as_array().unwrap().clone());
    let found: Vec<Value> =
        steps.filter(|step| step["uses"].as_str().is_some_and(|uses| uses.starts_with(action))).collect();
    assert!(!found.is_empty(), "no job uses {action}");
    found
}

fn lines(text: &Value) -> BTreeSet<String> {
    text.as_str().unwrap().lines().map(str::to_owned).collect()
}

fn release_plan() -> Plan {
    let release = recipes::load(&workspace().join("recipes"), None).unwrap();
    let request = PlanRequest {
        arch: Arch::I386,
        only: None,
        source_overrides: [].into(),
        host: Host::default(),
        origin: BuildOrigin::default(),
        workspace: workspace().to_owned(),
    };
    plan(&release, &request).unwrap()
}

/// What `cargo xtask build-swix` leaves in dist/.
fn published() -> BTreeSet<String> {
    let sums = "SHA256SUMS".to_owned();
    release_plan().artifacts.into_iter().map(|artifact| artifact.name).chain([sums]).collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[test]
fn actions_are_named_by_commit_with_their_version_beside_it() {
    let text = fs::read_to_string(file()).unwrap();
    let uses: Vec<&str> =
        text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")).collect();
    assert!(uses.len() > 5, "{uses:?}");
    for action in uses {
        let named = action.split_once('@').and_then(|(_, of)| of.split_once(" # v"));
        let (commit, version) = named.unwrap_or_else(|| panic!("{action}: write owner/name@COMMIT # vX.Y.Z"));
        assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{action}: no commit");
        assert_eq!(version.split('.').count(), 3, "{action}: no whole version");
    }
}

#[test]
fn only_the_job_that_publishes_a_tag_may_write_and_every_job_ends() {
    let workflow = workflow();
    assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }));
    assert!(workflow["concurrency"]["group"].is_string());
    for (name, job) in jobs() {
        assert!(job["timeout-minutes"].as_u64().is_some_and(|limit| limit <= 120), "{name} has no limit");
        match name.as_str() {
            "publish" => {
                assert_eq!(job["if"], "startsWith(github.ref, 'refs/tags/v')");
                let needs: BTreeSet<&str> = job["needs"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                let others: BTreeSet<String> =
                    jobs().into_iter().map(|(name, _)| name).filter(|n| n != "publish").collect();
                assert_eq!(needs, others.iter().map(String::as_str).collect(), "it publishes what passed everything");
            }
            _ => assert!(job["permissions"].is_null(), "{name} asks for permissions of its own"),
        }
    }
}

#[test]
fn what_is_kept_and_published_is_what_a_build_leaves_in_dist() {
    let published = published();
    let (uploaded, released) = (uses("actions/upload-artifact"), uses("softprops/action-gh-release"));
    let uploaded = uploaded.iter().find(|step| step["with"]["name"] == "dist").expect("dist is not kept");
    let patterns = lines(&uploaded["with"]["path"]);
    assert_eq!(patterns, lines(&released[0]["with"]["files"]));
    for name in &published {
        assert!(patterns.iter().any(|pattern| matches(pattern, &format!("dist/{name}"))), "{name} is not kept");
    }
    for pattern in &patterns {
        assert!(published.iter().any(|name| matches(pattern, &format!("dist/{name}"))), "nothing is like {pattern}");
    }
}

#[test]
fn the_readme_s_table_is_what_a_build_leaves_in_dist() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let table = readme
        .lines()
        .skip_while(|line| *line != "| file | what it is |")
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let rows: BTreeSet<String> = table.filter_map(|row| Some(row.split('`').nth(1)?.to_owned())).collect();
    assert_eq!(rows, published());
}

#[test]
fn the_build_cache_is_another_one_where_anything_changed_that_is_built() {
    let plan = release_plan();
    let inputs = plan.steps.iter().flat_map(|step| -> Vec<&InputFile> {
        match &step.work {
            Work::Tree(tree) => tree.patches.iter().collect(),
            Work::Crates(crates) => vec![&crates.lock],
            Work::Rust(rust) => rust.files.iter().collect(),
            Work::Packer(packer) => packer.files.iter().collect(),
            Work::ProgramLicences(licences) => {
                licences.given.iter().map(|given| &given.file).chain([&licences.own]).collect()
            }
            Work::Image(image) => image.files.iter().map(|(_, file)| file).collect(),
            Work::Package(package) => package.rootfs.iter().collect(),
            _ => vec![],
        }
    });
    let first =
        |path: &Path| path.strip_prefix(workspace()).ok()?.components().next().map(|part| part.as_os_str().to_owned());
    let read: BTreeSet<_> = inputs.filter_map(|file| first(&file.path)).chain(["recipes".into()]).collect();
    for step in uses("actions/cache") {
        let key = step["with"]["key"].as_str().unwrap();
        for top in read.iter().map(|top| top.to_str().unwrap()) {
            let pattern = if workspace().join(top).is_dir() { format!("'{top}/**'") } else { format!("'{top}'") };
            assert!(key.contains(&pattern), "{top} is read by the build, and {key} does not change with it");
        }
    }
}

/// What a text of a job is in each of its variants.
fn variants(job: &Value, text: &str) -> Vec<String> {
    let variants = job["strategy"]["matrix"]["include"].as_array();
    let name = |variant: &Value| text.replace("${{ matrix.name }}", variant["name"].as_str().unwrap());
    variants.map_or_else(|| vec![text.to_owned()], |variants| variants.iter().map(name).collect())
}

#[test]
fn each_build_goes_on_from_its_own_cache_and_from_no_other_s() {
    let mut caches: Vec<(String, String)> = vec![];
    for (name, job) in jobs() {
        let steps = job["steps"].as_array().unwrap().iter();
        for step in steps.filter(|step| step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/cache@"))) {
            let of = |field: &str| {
                variants(&job, step["with"][field].as_str().unwrap_or_else(|| panic!("{name}: no {field}")))
            };
            caches.extend(of("key").into_iter().zip(of("restore-keys")));
        }
    }
    assert!(caches.len() > 3, "{caches:?}");
    for (_, begin) in &caches {
        let taken: Vec<&String> =
            caches.iter().map(|(key, _)| key).filter(|key| key.starts_with(begin.as_str())).collect();
        assert_eq!(taken.len(), 1, "{begin} is how these begin: {taken:?}");
        assert!(begin.lines().count() == 1 && !begin.contains("${{"), "{begin}");
    }
    assert!(caches.iter().all(|(key, begin)| key.starts_with(begin.as_str())), "{caches:?}");
}

#[test]
#[ignore = "installs a schema checker"]
fn github_s_schema_takes_the_workflow() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let venv = cache.join("check-jsonschema");
    let log = cache.join("check-jsonschema.log");
    let checker = venv.join("bin/check-jsonschema");
    if !checker.exists() {
        files::remove_tree(&venv).unwrap();
        Program::new("python3", "make a place for the checker")
            .unwrap()
            .args(["-m", "venv"])
            .arg(&venv)
            .run_logged(&log)
            .unwrap();
        Program::new(venv.join("bin/pip"), "install the checker")
            .unwrap()
            .args(["install", CHECKER])
            .run_logged(&log)
            .unwrap();
    }
    let check = |file: &Path| {
        let program = Program::new(&checker, "check the workflow").unwrap();
        program.args(["--builtin-schema", "vendor.github-workflows"]).arg(file).read()
    };
    check(&file()).unwrap();
    let wrong = tempfile::tempdir().unwrap();
    let wrong = wrong.path().join("build.yml");
    fs::write(&wrong, fs::read_to_string(file()).unwrap().replace("runs-on:", "runs_on:")).unwrap();
    check(&wrong).unwrap_err();
}
