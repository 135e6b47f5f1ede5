//! What was built, which statements are held against: programs, units, patches, and our own sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::Result;
use swix::elf::go;

/// What a build is made of.
#[derive(Debug, Default)]
pub struct Evidence {
    pub programs: BTreeMap<String, Program>,
    /// The release's units as they are packed, by file name.
    pub units: BTreeMap<String, String>,
    /// The patches that were applied, `kubernetes/0007-cve-….patch`, each with the vulnerabilities that it names ([`named_in`]).
    pub patches: BTreeMap<String, BTreeSet<String>>,
    /// This repository, for what is said of our own code.
    pub workspace: PathBuf,
}

/// The ids of vulnerabilities that a patch names, in its file's name or in the message before its first change.
pub fn named_in(name: &str, patch: &str) -> BTreeSet<String> {
    let lines = patch.lines().take_while(|line| !line.starts_with("diff --git ") && !line.starts_with("--- a/"));
    let mut named = BTreeSet::new();
    for text in std::iter::once(name).chain(lines).map(str::to_uppercase) {
        let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        for id in words.windows(3).filter(|id| matches!(id[0], "CVE" | "GO")) {
            let is_number = |text: &str| text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
            if is_number(id[1]) && is_number(id[2]) {
                named.insert(id.join("-"));
            }
        }
    }
    named
}

/// What a Go program says of itself; a program in another language says nothing.
#[derive(Debug, Clone, Default)]
pub struct Program {
    functions: BTreeSet<String>,
    packages: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Program {
    /// `name` is for errors. None for what is no Go program.
    pub fn read(name: &str, program: &[u8]) -> Result<Option<Self>> {
        let Some((functions, files)) = go::functions_and_files(name, program)? else { return Ok(None) };
        Ok(go::packages(name, program)?.map(|packages| Program::new(&functions, packages, files)))
    }

    pub fn new(functions: &BTreeSet<String>, packages: BTreeSet<String>, files: BTreeSet<String>) -> Self {
        Program { functions: functions.iter().map(|name| plain(name)).collect(), packages, files }
    }

    /// Whether a function is in it: `net/http.Transport.RoundTrip`, also where it was vendored or inlined.
    pub fn has_function(&self, symbol: &str) -> bool {
        self.functions.contains(symbol)
    }

    /// Whether anything is in it of a package or of one below it, also where it was vendored.
    pub fn has_package(&self, directory: &str) -> bool {
        self.packages.iter().any(|package| go::below(package, directory))
    }

    /// Whether anything is in it that stood in that file: `k8s.io/kubernetes/pkg/…/x.go`.
    pub fn has_file(&self, path: &str) -> bool {
        self.files.contains(path)
    }
}

/// A function's name as databases of vulnerabilities write it: without stars, brackets, and what it is vendored in. Go's own copy of
/// a package (`vendor/golang.org/x/…`) is named as the package, too.
fn plain(name: &str) -> String {
    let name = name.split('[').next().unwrap_or(name);
    let name = name.rsplit_once("/vendor/").map_or(name, |(_, name)| name);
    let name = name.strip_prefix("vendor/").unwrap_or(name);
    name.replace(['(', ')', '*'], "").replace("%2e", ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_known_by_its_plain_name() {
        for (name, known) in [
            ("net/http.(*Transport).RoundTrip", "net/http.Transport.RoundTrip"),
            (
                "k8s.io/kubernetes/vendor/golang.org/x/net/http2.(*Framer).ReadFrame",
                "golang.org/x/net/http2.Framer.ReadFrame",
            ),
            ("gopkg.in/yaml%2ev2.Unmarshal", "gopkg.in/yaml.v2.Unmarshal"),
            ("vendor/golang.org/x/net/idna.ToASCII", "golang.org/x/net/idna.ToASCII"),
            ("sync/atomic.(*Pointer[go.shape.struct { x/y.z int }]).Load", "sync/atomic.Pointer"),
        ] {
            assert_eq!(plain(name), known);
        }
    }

    #[test]
    fn a_patch_names_what_stands_in_its_name_and_before_its_changes() {
        let text = "Subject: [PATCH] volumes left out (CVE-2024-10220,\n CVE-2025-1767)\n---\ndiff --git a/x b/x\n+// CVE-2021-1234\n";
        let named: Vec<String> = named_in("kubernetes/0007-cve-2021-25741-mount.patch", text).into_iter().collect();
        assert_eq!(named, ["CVE-2021-25741", "CVE-2024-10220", "CVE-2025-1767"]);
        assert!(named_in("etcd/0001-cve-of-2021.patch", "GO-2021\n").is_empty());
    }

    #[test]
    fn a_program_has_its_packages_and_what_is_below_them() {
        let text = |of: &[&str]| of.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
        let packages = text(&["a.org/b/vendor/c.org/d/e", "net/http"]);
        let program = Program::new(&text(&["net/http.Get"]), packages, text(&["net/http/get.go"]));
        assert!(program.has_package("c.org/d") && program.has_package("c.org/d/e") && program.has_package("net/http"));
        assert!(
            !program.has_package("c.org/d/f") && !program.has_package("c.org/d/e/g") && !program.has_package("net/ht")
        );
        assert!(program.has_function("net/http.Get") && !program.has_function("net/http.Post"));
        assert!(program.has_file("net/http/get.go") && !program.has_file("get.go"));
    }
}
