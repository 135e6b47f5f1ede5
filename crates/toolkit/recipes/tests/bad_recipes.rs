//! What is wrong in a recipe is refused with the file, the line and what is expected.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

const RELEASE: &str = r#"name = "9.9"
default = true
version = "9.9.1"
revision = 1
source-date = 1600000000
toolchains = ["../go.toml"]
components = ["tool.toml"]
"#;

const TOOLCHAIN: &str = r#"name = "go"
version = "1.0"

[[origin]]
https = { url = "https://example.org/go.tar.gz", sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }
"#;

const COMPONENT: &str = r#"name = "tool"
version = "1.0"
license = "Apache-2.0"
purl = "pkg:github/example/tool@v1.0"
markers = ["main.go"]
import-path = "example.org/tool"
patches = { directory = "../../patches", series = ["0001-change.patch"] }

[[origin]]
git = { url = "https://example.org/tool", commit = "0123456789012345678901234567890123456789" }

[[program]]
name = "tool"
install = { path = "bin/tool" }

[program.go]
toolchain = "go"
package = "example.org/tool"

[[program.check]]
args = ["--version"]
prints = "1.0"
"#;

/// Writes the recipes with one change to one file and returns the error.
fn error_with(file: &str, from: &str, to: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let path = directory.path().join("recipes").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "the change does not apply to {file}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
    recipes::load(&directory.path().join("recipes"), None).unwrap_err().to_string()
}

fn write(directory: &Path) {
    fs::create_dir_all(directory.join("recipes/9.9")).unwrap();
    fs::create_dir_all(directory.join("patches")).unwrap();
    fs::write(directory.join("recipes/go.toml"), TOOLCHAIN).unwrap();
    fs::write(directory.join("recipes/9.9/release.toml"), RELEASE).unwrap();
    fs::write(directory.join("recipes/9.9/tool.toml"), COMPONENT).unwrap();
    fs::write(directory.join("patches/0001-change.patch"), "").unwrap();
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn good_recipes_load_from_any_directory() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let release = recipes::load(&directory.path().join("recipes"), Some("9.9")).unwrap();
    assert_eq!(release.version, "9.9.1");
    assert_eq!(release.components[0].tree.patches.len(), 1);
    // The directory of the one release will do as well.
    assert!(recipes::load(&directory.path().join("recipes/9.9"), None).is_ok());
}

#[test]
fn an_unknown_key_is_named_with_the_known_ones() {
    let error = error_with("9.9/tool.toml", "license =", "licence =");
    assert_says(&error, &["tool.toml:3:", "licence", "`license`"]);
}

#[test]
fn a_missing_pin_is_named() {
    let error = error_with("9.9/tool.toml", r#", commit = "0123456789012345678901234567890123456789""#, "");
    assert_says(&error, &["tool.toml:10:", "commit"]);
}

#[test]
fn a_digest_of_the_wrong_length_says_what_a_digest_is() {
    let error = error_with("go.toml", "ba7816bf", "");
    assert_says(&error, &["go.toml:5:", "64 hexadecimal digits", "56 characters"]);
}

#[test]
fn a_commit_of_the_wrong_length_says_what_a_commit_is() {
    let error = error_with("9.9/tool.toml", "0123456789012345678901234567890123456789", "01234567");
    assert_says(&error, &["tool.toml:10:", "40 hexadecimal digits", "8 characters"]);
}

#[test]
fn a_duplicate_component_is_named() {
    let error = error_with("9.9/release.toml", r#"["tool.toml"]"#, "[\n\"tool.toml\",\n\"../9.9/tool.toml\"]");
    assert_says(&error, &["release.toml", "duplicate component tool"]);
}

#[test]
fn two_programs_cannot_be_installed_at_one_place() {
    let more = "[[program]]\nname = \"other\"\ninstall = { path = \"bin/tool\" }\n[program.go]\ntoolchain = \"go\"\npackage = \"x\"\n[[program.check]]\nargs = []\nprints = \"\"\n\n[[program]]\nname = \"tool\"";
    let error = error_with("9.9/tool.toml", "[[program]]\nname = \"tool\"", more);
    assert_says(&error, &["tool.toml", "bin/tool is installed by other and by tool"]);
}

#[test]
fn a_patch_that_is_not_there_is_named_with_its_line() {
    let error = error_with("9.9/tool.toml", "0001-change.patch", "0002-other.patch");
    assert_says(&error, &["tool.toml:7:", "0002-other.patch", "does not exist"]);
}

#[test]
fn a_component_file_that_is_not_there_is_named_with_its_line() {
    let error = error_with("9.9/release.toml", r#""tool.toml""#, r#""tol.toml""#);
    assert_says(&error, &["release.toml:7:", "tol.toml", "does not exist"]);
}

#[test]
fn a_program_with_an_unknown_toolchain_is_refused() {
    let error = error_with("9.9/tool.toml", r#"toolchain = "go""#, r#"toolchain = "gcc""#);
    assert_says(&error, &["tool.toml:12:", "toolchain gcc"]);
}

#[test]
fn a_program_that_is_built_by_nothing_is_refused() {
    let error = error_with("9.9/tool.toml", "[program.go]\ntoolchain = \"go\"\npackage = \"example.org/tool\"\n", "");
    assert_says(&error, &["tool.toml:12:", "[program.go]", "[program.rust]"]);
}

#[test]
fn a_version_of_two_lines_is_refused() {
    let error = error_with("9.9/tool.toml", "prints = \"1.0\"", "prints = \"1.0\\n\"\nversion = true");
    assert_says(&error, &["tool.toml:12:", "one line", "1.0"]);
}

#[test]
fn a_path_out_of_the_image_is_refused() {
    let error = error_with("9.9/tool.toml", "bin/tool", "../../etc/passwd");
    assert_says(&error, &["tool.toml:14:", "../../etc/passwd", "relative path"]);
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let error = error_with("9.9/tool.toml", "version = \"1.0\"", "version = ");
    assert_says(&error, &["tool.toml:2:"]);
}

#[test]
fn an_unknown_release_is_answered_with_the_known_ones() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let error = recipes::load(&directory.path().join("recipes"), Some("1.99")).unwrap_err().to_string();
    assert_says(&error, &["no release \"1.99\"", "9.9"]);
}

#[test]
fn a_directory_without_releases_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let error = recipes::load(directory.path(), None).unwrap_err().to_string();
    assert_says(&error, &["no release here", "release.toml"]);
}

/// Loads the recipes with changes to the component's file.
fn loaded_with(changes: &[(&str, &str)]) -> recipes::Release {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let text = changes.iter().fold(COMPONENT.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from:?} is not in the component's file");
        text.replace(from, to)
    });
    fs::write(directory.path().join("recipes/9.9/tool.toml"), text).unwrap();
    recipes::load(&directory.path().join("recipes"), None).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn placeholders_stand_for_what_the_file_says_once() {
    let release = loaded_with(&[
        ("tool@v1.0", "tool@v{version}"),
        ("commit = \"0123456789012345678901234567890123456789\"", "commit = \"{commit}\""),
        ("license =", "commit = \"abcdefabcdefabcdefabcdefabcdefabcdefabcd\"\nlicense ="),
        ("prints = \"1.0\"", "prints = \"{major} and {minor}\""),
        ("[\"--version\"]", "[\"--into={scratch}/x\", \"{version}{commit}\"]"),
    ]);
    let tool = &release.components[0];
    assert_eq!(tool.purl, "pkg:github/example/tool@v1.0");
    let origin = tool.source.as_ref().unwrap().origins[0].to_string();
    assert!(origin.ends_with("at abcdefabcdefabcdefabcdefabcdefabcdefabcd"), "{origin}");
    let check = &tool.programs[0].checks[0];
    assert_eq!(check.prints, "1 and 0");
    assert_eq!(check.args, ["--into={scratch}/x", "1.0abcdefabcdefabcdefabcdefabcdefabcdefabcd"]);
}

#[test]
fn stamps_of_a_component_are_in_each_of_its_programs_and_a_programs_own_stay() {
    let stamps =
        "[stamps]\npackages = [\"a.org/a\", \"b.org/b\"]\nset = { V = \"v{version}\", W = \"w\" }\n\n[[program]]";
    let own = "package = \"example.org/tool\"\nstamps = { \"a.org/a.W\" = \"own\" }";
    let release = loaded_with(&[("[[program]]", stamps), ("package = \"example.org/tool\"", own)]);
    let recipes::Build::Go(go) = &release.components[0].programs[0].build else { panic!("it is built with Go") };
    let stamps: Vec<_> = go.stamps.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(stamps, ["a.org/a.V=v1.0", "a.org/a.W=own", "b.org/b.V=v1.0", "b.org/b.W=w"]);
}

#[test]
fn an_unknown_placeholder_is_named_with_its_line_and_the_known_ones() {
    let error = error_with("9.9/tool.toml", "tool@v1.0", "tool@v{vresion}");
    assert_says(&error, &["tool.toml:4: ", "{vresion}", "{version}", "{commit}", "{major}", "{minor}", "{scratch}"]);
    let error = error_with("9.9/tool.toml", "args = [\"--version\"]", "args = [\n    \"x\",\n    \"{vresion}\",\n]");
    assert_says(&error, &["tool.toml:23: ", "{vresion}"]);
    let error = error_with("go.toml", "example.org/go", "example.org/{vresion}");
    assert_says(&error, &["go.toml:5: ", "{vresion}"]);
}

#[test]
fn other_braces_than_those_around_a_word_are_the_texts_own() {
    let own = "-o=jsonpath={.clientVersion}{{}} {range .items[*]} {A}{";
    let release = loaded_with(&[("[\"--version\"]", &format!("[\"{own}{{version}}\"]"))]);
    assert_eq!(release.components[0].programs[0].checks[0].args, [format!("{own}1.0")]);
}

#[test]
fn a_placeholder_for_a_key_that_is_not_there_names_the_key() {
    let error = error_with("9.9/tool.toml", "tool@v1.0", "tool@{commit}");
    assert_says(&error, &["tool.toml:4: ", "{commit}", "the key `commit`"]);
}

/// Writes the recipes with three more files and a `[[file]]`, and loads them.
fn with_files(entry: &str) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let release = directory.path().join("recipes/9.9");
    fs::create_dir(release.join("units")).unwrap();
    for name in ["b.service", "a.service", "policy.yaml", ".a.service.swp", "a.service~"] {
        fs::write(release.join("units").join(name), name).unwrap();
    }
    fs::write(release.join("release.toml"), format!("{RELEASE}\n[[file]]\n{entry}\n")).unwrap();
    let loaded = recipes::load(&directory.path().join("recipes"), None).map_err(|error| error.to_string())?;
    let read = |(from, to): (std::path::PathBuf, recipes::RelativePath)| {
        format!("{}: {}", to, fs::read_to_string(from).unwrap())
    };
    Ok(loaded.files.into_iter().map(read).collect())
}

#[test]
fn files_are_named_one_by_one_or_by_a_pattern() {
    let all = with_files("from = \"units/*\"\ninstall = \"u/\"").unwrap();
    assert_eq!(all, ["u/a.service: a.service", "u/b.service: b.service", "u/policy.yaml: policy.yaml"]);
    let services = with_files("from = \"units/*.service\"\ninstall = \"u/\"").unwrap();
    assert_eq!(services, ["u/a.service: a.service", "u/b.service: b.service"]);
    let one = with_files("from = \"units/a.service\"\ninstall = \"other\"").unwrap();
    assert_eq!(one, ["other: a.service"]);
}

#[test]
fn a_pattern_that_matches_nothing_and_one_into_a_single_file_are_refused() {
    let error = with_files("from = \"units/*.timer\"\ninstall = \"u/\"").unwrap_err();
    assert_says(&error, &["release.toml:10: ", "units/*.timer", "expected some in"]);
    let error = with_files("from = \"units/*.service\"\ninstall = \"u\"").unwrap_err();
    assert_says(&error, &["release.toml:11: ", "two files at u", "end with /"]);
    let error = with_files("from = \"units/*\"\ninstall = \"../u/\"").unwrap_err();
    assert_says(&error, &["release.toml:11: ", "../u/", "relative path"]);
}

#[test]
fn a_licence_s_text_that_is_not_there_or_has_no_reason_is_named_with_its_line() {
    let text = "\n[[licence-text]]\nof = [\"a\"]\nfile = \"../LICENSE\"\nreason = \"it has none\"\n\n[[program]]\n";
    let error = error_with("9.9/tool.toml", "\n[[program]]\n", text);
    assert_says(&error, &["tool.toml", "the licence's text \"../LICENSE\" does not exist"]);
    let error = error_with("9.9/tool.toml", "\n[[program]]\n", &text.replace("reason", "because"));
    assert_says(&error, &["tool.toml", "because"]);
}

/// With what is wrong with it, and how that is told.
#[test]
fn a_suite_that_cannot_be_built_is_refused() {
    const SUITE: &str = r#"
[suite]
tests = "test"
images = "test/images"

[suite.generate]
toolchain = "go"
package = "./generator"
args = []
makes = ["test/made.go"]

[[suite.program]]
name = "tool.test"
go = { toolchain = "go", package = "example.org/tool/test", test = true }
check = [{ args = [], prints = "" }]
"#;
    let with = |from: &str, to: &str| {
        assert!(SUITE.contains(from), "the change does not apply");
        let last = "prints = \"1.0\"\n";
        error_with("9.9/tool.toml", last, &format!("{last}{}", SUITE.replacen(from, to, 1)))
    };
    for (from, to, expected) in [
        ("toolchain = \"go\"\npackage", "toolchain = \"gone\"\npackage", "the suite needs the toolchain gone"),
        ("{ toolchain = \"go\"", "{ toolchain = \"gone\"", "the suite needs the toolchain gone"),
        ("test/made.go", "made.go", "expected it below test"),
        ("check =", "install = { path = \"bin/x\" }\ncheck =", "it goes into no image"),
        (
            "go = { toolchain = \"go\", package = \"example.org/tool/test\", test = true }",
            "rust = { toolchain = \"go\", package = \"x\" }",
            "expected [suite.program.go]",
        ),
        ("images =", "imagery =", "imagery"),
    ] {
        let error = with(from, to);
        assert!(error.contains(expected) && error.contains("tool.toml"), "{error}");
    }
}
