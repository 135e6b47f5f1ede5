//! Every verb says what it does, and what is not one is told so.

use crate::support::{assert_says, end, files, succeeds, xtask};

/// The verbs that a help lists, each with what it says of it.
fn listed(help: &str) -> Vec<(&str, &str)> {
    let (_, list) = help.split_once("Commands:\n").unwrap_or_else(|| panic!("no verbs are in: {help}"));
    let lines = list.lines().take_while(|line| !line.is_empty()).map(str::trim_start);
    let verbs = lines.filter_map(|line| line.split_once("  ")).filter(|(verb, _)| *verb != "help");
    verbs.map(|(verb, purpose)| (verb, purpose.trim())).collect()
}

#[test]
fn help_lists_every_verb_and_each_has_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let all = succeeds(xtask(directory.path()).arg("--help")).out;
    assert_says(&all, &["Usage: cargo xtask"]);
    let verbs = listed(&all);
    assert!(verbs.iter().any(|(verb, _)| *verb == "build-swix") && verbs.len() > 15, "{all}");
    for (verb, purpose) in verbs {
        let help = succeeds(xtask(directory.path()).args([verb, "--help"])).out;
        assert!(help.starts_with(purpose), "{verb}: {help}");
        assert_says(&help, &[&format!("Usage: cargo xtask {verb}")]);
        assert!(!help.contains(env!("CARGO_MANIFEST_DIR")), "help shows a path of this machine: {help}");
        // What a flag is for stands beside it or, where the flags are long, below it.
        let lines: Vec<&str> = help.lines().map(str::trim_start).chain([""]).collect();
        for pair in lines.windows(2).filter(|pair| pair[0].starts_with("--")) {
            let told = pair[0].contains("  ") || !(pair[1].is_empty() || pair[1].starts_with('-'));
            assert!(told, "{verb}: a flag without a word on it: {}", pair[0]);
        }
    }
    for group in ["cache", "patch", "device", "topo"] {
        for (nested, _) in listed(&succeeds(xtask(directory.path()).args([group, "--help"])).out) {
            let help = succeeds(xtask(directory.path()).args([group, nested, "--help"])).out;
            assert_says(&help, &["Usage: cargo xtask"]);
        }
    }
    assert_eq!(files(directory.path()), Vec::<String>::new());
}

#[test]
fn no_verb_shows_the_help_and_a_wrong_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = end(&mut xtask(directory.path()));
    assert_eq!(nothing.code, Some(2));
    assert_says(&nothing.err, &["Usage: cargo xtask", "build-swix"]);
    let wrong = end(xtask(directory.path()).arg("built-swix"));
    assert_eq!(wrong.code, Some(2));
    assert_says(&wrong.err, &["built-swix", "a similar subcommand exists: 'build-swix'"]);
}

#[test]
fn without_a_place_for_the_cache_the_error_says_what_to_set() {
    for verb in ["plan", "fetch", "cache", "build-swix"] {
        let mut command = xtask("".as_ref());
        for name in ["HOME", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        let error = crate::support::refused(command.arg(verb));
        assert_says(&error, &["neither KOE_CACHE nor HOME is set: set KOE_CACHE to a directory"]);
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = crate::support::refused(xtask(&file.join("cache")).arg("plan"));
    assert_says(&error, &["set KOE_CACHE to another directory", &file.display().to_string(), "Not a directory"]);
}

#[test]
fn an_empty_cache_is_shown_as_such_and_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    for arguments in [&["cache"][..], &["cache", "show"]] {
        let shown = succeeds(xtask(&cache).args(arguments)).out;
        assert_eq!(shown, format!("{}\n  nothing is there yet\n", cache.display()));
        assert!(!cache.exists());
    }
    succeeds(xtask(&cache).args(["cache", "trim"]));
    succeeds(xtask(&cache).args(["cache", "trim", "--all"]));
    assert!(!cache.exists());
}
