//! A machine without network.

use std::time::{Duration, Instant};

use common::command::{Program, find_on_path};

use crate::support::{Place, assert_says, environment, git, https, last_error, refused};

#[test]
fn without_network_fetch_names_every_origin_that_it_tried() {
    let archive = https("https://no-such-host.invalid/go.tar.gz", &"0".repeat(64));
    let origins = [archive.clone(), https("https://no-such-host.invalid/other.tar.gz", &"1".repeat(64))].concat();
    let origins = origins + &git("https://no-such-host.invalid/go.git");
    let place = Place::new(&origins, &archive);
    let began = Instant::now();
    let mut command = place.xtask();
    command.args(place.fetch(&["thing"]));
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let text = refused(&mut command);
    let error = last_error(&text);
    assert_says(error, &["error: step fetch-go failed: none of the origins of go 1.0 answered:"]);
    assert_says(error, &["no-such-host.invalid/go.tar.gz", "other.tar.gz", "go.git at 0123456789"]);
    assert_says(error, &["check the network", "--source NAME=PATH"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn on_a_machine_that_has_no_network_at_all_fetch_fails_soon_and_plan_works() {
    let _stays = crate::support::program_stays();
    assert!(find_on_path("unshare").is_some(), "unshare (Debian: util-linux) is required by this test");
    let directory = tempfile::tempdir().unwrap();
    let alone = |verb: &str, arguments: &[&str]| {
        let unshare = Program::new("unshare", "take the network away").unwrap().arg("--net");
        let mut program = unshare.arg(env!("CARGO_BIN_EXE_xtask")).arg(verb).args(arguments);
        for (name, value) in environment(&directory.path().join("cache")) {
            program = program.env(name, value);
        }
        program.output().unwrap()
    };
    for release in ["1.20", "1.12"] {
        let plan = alone("plan", &["--release", release]);
        assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));

        let began = Instant::now();
        let fetch = alone("fetch", &["--release", release]);
        let took = began.elapsed();
        let text = String::from_utf8_lossy(&fetch.stderr).into_owned();
        assert_eq!(fetch.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{text}");
        let error = last_error(&text);
        assert_says(error, &["error: step fetch-", "none of the origins of", "check the network"]);
        let recipes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
        let loaded = recipes::load(&recipes, Some(release)).unwrap();
        let failed = |name: &str| error.contains(&format!("step fetch-{name} failed"));
        let source = loaded.sources().find(|source| failed(&source.name)).unwrap_or_else(|| panic!("{error}"));
        for origin in &source.origins {
            assert_says(error, &[&format!("\n    {origin}: ")]);
        }
        assert!(took < Duration::from_secs(60), "{took:?}");
    }
}
