//! `plan` needs no network and touches nothing.

use std::path::Path;

use crate::support::{Place, assert_says, files, nowhere, succeeds, xtask};

/// A proxy that is not there: whoever asks the network fails at once.
const NO_PROXY_HERE: &str = "http://127.0.0.1:9";

#[test]
fn both_releases_are_planned_for_both_architectures_without_network_or_traces() {
    let directory = tempfile::tempdir().unwrap();
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
    for release in ["1.20", "1.12"] {
        for arch in ["386", "amd64"] {
            let mut command = xtask(directory.path());
            for name in ["http_proxy", "https_proxy", "all_proxy"] {
                command.env(name, NO_PROXY_HERE);
            }
            let plan = succeeds(command.args(["plan", "--release", release, "--arch", arch]));
            assert_eq!(plan.err, "");
            assert_says(&plan.out, &[&format!("release {release}, linux/{arch}\n")]);
            let loaded = recipes::load(&recipes, Some(release)).unwrap();
            let programs = loaded.programs().map(|(_, program)| format!("check-{}", program.name));
            let sources = loaded.sources().map(|source| format!("fetch-{}", source.name));
            for step in programs
                .chain(sources)
                .chain(["licences", "image", "rpm", "swix", "sbom", "provenance"].map(String::from))
            {
                let line = plan.out.lines().find(|line| line.split_whitespace().next() == Some(&step));
                let line = line.unwrap_or_else(|| panic!("{step} is not in: {}", plan.out));
                assert!(line.ends_with("run     not built yet"), "{line}");
            }
            assert_eq!(files(directory.path()), Vec::<String>::new());
        }
    }
}

#[test]
fn the_plan_as_json_has_every_step_with_its_inputs() {
    let directory = tempfile::tempdir().unwrap();
    let text = succeeds(xtask(directory.path()).args(["plan", "--json"])).out;
    let steps: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let swix = steps.iter().find(|step| step["name"] == "swix").unwrap();
    assert_eq!((&swix["status"], &swix["why"]), (&"run".into(), &"not built yet".into()));
    assert!(swix["needs"].as_array().is_some_and(|needs| needs.contains(&"rpm".into())));
    assert!(swix["inputs"]["code"].is_string() && swix["inputs"]["work"]["swix"].is_object());
    // What it needs is not made, so that it has no key yet; what needs nothing has one.
    assert!(swix["key"].is_null());
    let fetch = steps.iter().find(|step| step["name"] == "fetch-go").unwrap();
    assert!(fetch["key"].as_str().is_some_and(|key| key.len() == 64));
}

#[test]
fn the_plan_is_the_same_wherever_the_user_stands_and_the_cache_is() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = succeeds(xtask(one.path()).args(["plan", "--json"]).current_dir("/")).out;
    let second = succeeds(xtask(two.path()).args(["plan", "--json"]).current_dir(two.path())).out;
    assert_eq!(first, second);
}

/// What a plan says that the build depends on besides the commit; changes in this work tree left out.
fn besides(place: &Place, flags: &[&str]) -> Vec<String> {
    let text = succeeds(place.xtask().args(["plan", "--json"]).args(flags)).out;
    let steps: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let image = steps.iter().find(|step| step["name"] == "image").unwrap();
    let all: Vec<String> =
        serde_json::from_value(image["inputs"]["work"]["image"]["build"]["besides"].clone()).unwrap();
    all.into_iter().filter(|what| !what.contains("work tree")).collect()
}

#[test]
fn what_is_chosen_otherwise_than_the_commit_has_it_is_part_of_the_build_s_name() {
    let place = Place::new(&nowhere(), &nowhere());
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
    let (elsewhere, own) = (place.recipes().display().to_string(), own.display().to_string());
    assert_eq!(besides(&place, &[]), [""; 0]);
    assert_eq!(besides(&place, &["--recipes", &own, "--offline"]), [""; 0]);
    assert_eq!(besides(&place, &["--origin", "debian"]), ["origins of the kind debian alone"]);
    let sources = ["thing", "go"].map(|name| format!("--source={name}={}", place.path(name).display()));
    let told = besides(&place, &["--recipes", &elsewhere, &sources[0], &sources[1]]);
    assert_eq!(told, ["recipes from elsewhere", "a source of its own for go", "a source of its own for thing"]);
}
