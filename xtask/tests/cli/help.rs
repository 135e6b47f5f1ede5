//! Every verb says what it does, and what is not one is told so.

use std::{fs, path::Path};

use crate::support::{assert_says, end, files, succeeds, xtask};

/// The verbs that a help lists, each with what it says of it; none where it lists none.
fn listed(help: &str) -> Vec<(&str, &str)> {
    let list = help.split_once("Commands:\n").map_or("", |(_, list)| list);
    let lines = list.lines().take_while(|line| !line.is_empty()).map(str::trim_start);
    let verbs = lines.filter_map(|line| line.split_once("  ")).filter(|(verb, _)| *verb != "help");
    verbs.map(|(verb, purpose)| (verb, purpose.trim())).collect()
}

/// The verbs of main.rs, as they are typed.
fn verbs() -> Vec<String> {
    let main = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).unwrap();
    let (_, list) = main.split_once("\nenum Verb {\n").unwrap();
    let variants = list.lines().take_while(|line| *line != "}").map(str::trim).filter(|line| !line.starts_with("//"));
    let typed = variants.map(|variant| {
        let name = variant.split('(').next().unwrap();
        let dashed = |letter: char| if letter.is_uppercase() { format!("-{letter}") } else { letter.to_string() };
        name.chars().map(dashed).collect::<String>().trim_start_matches('-').to_lowercase()
    });
    typed.collect()
}

/// The flags and arguments that a help has no word on. It stands beside one or, where these are long, below it.
fn untold(help: &str) -> Vec<&str> {
    let lines: Vec<&str> = help.lines().map(str::trim).chain([""]).collect();
    // A value that a flag may have is in a list, with a dash in front; what one is by default, in brackets.
    let begins = |line: &str| {
        let argument = line.starts_with('[') && line[1..].starts_with(char::is_uppercase);
        argument || line.starts_with('<') || line.starts_with('-') && !line.starts_with("- ")
    };
    let told = |pair: &[&str]| pair[0].contains("  ") || !(pair[1].is_empty() || begins(pair[1]));
    lines.windows(2).filter(|pair| begins(pair[0]) && !told(pair)).map(|pair| pair[0]).collect()
}

/// That a verb has a help, and each below it; returns how many there are.
fn assert_helps(cache: &Path, verb: &[&str], purpose: &str) -> usize {
    let help = succeeds(xtask(cache).args(verb).arg("--help")).out;
    assert!(help.starts_with(purpose) && !purpose.is_empty(), "{verb:?}: {help}");
    assert_says(&help, &[&format!("Usage: cargo xtask {}", verb.join(" "))]);
    assert!(!help.contains(env!("CARGO_MANIFEST_DIR")), "help shows a path of this machine: {help}");
    assert_eq!(untold(&help), [""; 0], "{verb:?}: without a word on it");
    let below = listed(&help);
    1 + below.iter().map(|(name, purpose)| assert_helps(cache, &[verb, &[*name]].concat(), purpose)).sum::<usize>()
}

#[test]
fn help_lists_every_verb_and_each_has_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let all = succeeds(xtask(directory.path()).arg("--help")).out;
    assert_says(&all, &["Usage: cargo xtask"]);
    let listed = listed(&all);
    assert_eq!(listed.iter().map(|(verb, _)| *verb).collect::<Vec<_>>(), verbs());
    let helps: usize = listed.iter().map(|(verb, purpose)| assert_helps(directory.path(), &[*verb], purpose)).sum();
    assert!(helps > listed.len() + 10, "only {helps} helps were found, of {} verbs", listed.len());
    assert_eq!(files(directory.path()), Vec::<String>::new());
}

#[test]
fn the_readme_names_every_verb() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let named = |verb: &String| readme.contains(&format!("`{verb}")) || readme.contains(&format!("cargo xtask {verb}"));
    let missing: Vec<String> = verbs().into_iter().filter(|verb| !named(verb)).collect();
    assert!(missing.is_empty(), "README.md has no word on {missing:?}");
}

#[test]
fn a_flag_without_a_word_on_it_is_seen() {
    assert_eq!(untold("Options:\n  --one\n\n  --two <N>  a word\n"), ["--one"]);
    assert_eq!(untold("Arguments:\n  <NAME>     \n  <ARGV>...  words\n"), ["<NAME>"]);
    assert_eq!(untold("Options:\n      --one\n          a word\n      --two\n      --three\n"), ["--two", "--three"]);
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
    fs::write(&file, "").unwrap();
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
