//! What is wrong in a recipe is refused with the file, the line and what is expected.

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
