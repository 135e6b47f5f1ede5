//! Which modules of a Go program need which: those whose packages import packages of others, by `go list` for the program's own
//! architecture and tags. A vendored module's go.mod is not vendored, and says what could be needed; this is what is.
//!
//! With it what the tree's go.sum says of each module. It is the digest of the module as its makers publish it, of which a tree
//! vendors a part.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result};
use common::{Arch, files};
use recipes::Go;
use serde::{Deserialize, Serialize};
use swix::elf::go::{below, is_standard};

use crate::{
    modules::{self, Module},
    step::{CommandLine, ModuleGraph},
    work::{
        Job,
        go::{STANDARD_LIBRARY, Toolchain, commands},
    },
};

const GRAPH: &str = "graph.json";

/// A module's path -> what is known of it.
pub(crate) type Graph = BTreeMap<String, Known>;

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Paths of modules.
    pub(crate) needs: BTreeSet<String>,
    /// `h1:…`, as go.sum has it.
    pub(crate) sum: Option<String>,
}

/// The step of a program.
pub(crate) fn step_of(program: &str) -> String {
    format!("module-graph-{program}")
}

/// Prints a line for each package that is not the standard library's: its import path, and what it imports.
pub(crate) fn list(go: &Go, import_path: &str, arch: Arch) -> CommandLine {
    let mut list = commands::program("", go, import_path, arch).list;
    let print = "{{if not .Standard}}{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{end}}";
    if let Some(format) = list.argv.iter().position(|arg| arg == "-f").and_then(|flag| list.argv.get_mut(flag + 1)) {
        *format = print.to_owned();
    }
    list
}

pub(crate) fn run(job: &Job, work: &ModuleGraph) -> Result<()> {
    let _task = job.busy();
    let tree = job.need(&format!("tree-{}", work.component))?;
    let mut places = Toolchain::of(job, &work.toolchain)?.places(job)?.with("tree", &tree)?;
    for library in &work.libraries {
        places = places.with(&format!("library-{library}"), job.need(&format!("unpack-{library}"))?)?;
    }
    let listed = work.list.program(&places, &format!("list what is imported in {}", work.program))?.read()?;
    let own: Vec<&str> = work.aliases.iter().chain([&work.import_path]).map(|path| &**path).collect();
    let listed_modules = modules::read(&job.need(&work.step)?)?;
    let mut graph = of_imports(&listed, &listed_modules, &own);
    let sums = sums(&tree.join("src").join(&work.import_path))?;
    for module in &listed_modules {
        let version = module.version.clone().unwrap_or_default();
        graph.entry(module.path.clone()).or_default().sum = sums.get(&(module.path.clone(), version)).cloned();
    }
    files::write_atomically(&job.out().join(GRAPH), serde_json::to_vec_pretty(&graph)?)
}

/// What a step found, for one that needs it.
pub(crate) fn read(job: &Job, step: &str) -> Result<Graph> {
    let file = job.need(step)?.join(GRAPH);
    serde_json::from_slice(&files::read(&file)?).with_context(|| format!("{} cannot be understood", file.display()))
}

/// By lines of a package and what it imports. What is `own` is no module's, unless it is vendored.
fn of_imports(listed: &str, modules: &[Module], own: &[&str]) -> Graph {
    let mut graph = Graph::new();
    for line in listed.lines() {
        let mut packages = line.split(' ');
        let Some(of) = packages.next().and_then(|package| module_of(package, modules, own)) else { continue };
        let needs = &mut graph.entry(of.to_owned()).or_default().needs;
        let needed = packages.filter_map(|package| module_of(package, modules, own)).filter(|needed| *needed != of);
        needs.extend(needed.map(str::to_owned));
    }
    graph
}

fn module_of<'m>(package: &str, modules: &'m [Module], own: &[&str]) -> Option<&'m str> {
    let paths = || modules.iter().map(|module| module.path.as_str());
    if is_standard(package) {
        return paths().find(|path| *path == STANDARD_LIBRARY);
    }
    let vendored = package.rsplit_once("/vendor/").map(|(_, path)| path);
    if vendored.is_none() && own.iter().any(|own| below(package, own)) {
        return None;
    }
    modules::longest(vendored.unwrap_or(package), paths())
}

/// Path and version -> digest.
fn sums(tree: &Path) -> Result<BTreeMap<(String, String), String>> {
    let file = tree.join("go.sum");
    if !file.is_file() {
        return Ok(BTreeMap::new());
    }
    let text = files::read_text(&file)?;
    // Lines about go.mod alone have `/go.mod` behind the version.
    let of_modules = text.lines().filter_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [path, version, sum] if sum.starts_with("h1:") => Some(((path.to_owned(), version.to_owned()), sum.to_owned())),
        _ => None,
    });
    Ok(of_modules.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Module {
        Module { path: path.into(), version: Some("v1.0.0".into()), purl: format!("pkg:golang/{path}@v1.0.0") }
    }

    #[test]
    fn a_module_needs_those_whose_packages_its_own_import() {
        let modules = ["github.com/a/b", "github.com/a/b/v2", "golang.org/x/net", "stdlib"].map(module);
        let listed = "k8s.io/k/cmd k8s.io/k/vendor/github.com/a/b fmt\n\
            k8s.io/k/vendor/github.com/a/b fmt k8s.io/k/vendor/github.com/a/b/v2/c k8s.io/k/vendor/github.com/a/b/d\n\
            k8s.io/k/vendor/github.com/a/b/v2/c vendor/golang.org/x/net/idna golang.org/x/net/http2\n\
            k8s.io/k/vendor/k8s.io/api fmt\n\
            golang.org/x/net/http2\n";
        let graph = of_imports(listed, &modules, &["k8s.io/k"]);
        let needs = |path: &str| graph[path].needs.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(needs("github.com/a/b"), ["github.com/a/b/v2", "stdlib"]);
        assert_eq!(needs("github.com/a/b/v2"), ["golang.org/x/net", "stdlib"]);
        assert_eq!(needs("golang.org/x/net"), [""; 0]);
        assert_eq!(graph.len(), 3, "what is the component's own is no module: {graph:?}");
    }

    #[test]
    fn go_sum_says_what_a_module_is_and_not_what_its_go_mod_is() {
        let tree = tempfile::tempdir().unwrap();
        assert_eq!(sums(tree.path()).unwrap(), BTreeMap::new(), "trees from before modules have none");
        let text = "a.org/b v1.0.0 h1:AAAA=\na.org/b v1.0.0/go.mod h1:BBBB=\na.org/c v2.0.0/go.mod h1:CCCC=\n";
        files::write_atomically(&tree.path().join("go.sum"), text).unwrap();
        let found = sums(tree.path()).unwrap();
        assert_eq!(found[&("a.org/b".to_owned(), "v1.0.0".to_owned())], "h1:AAAA=");
        assert_eq!(found.keys().filter(|(_, version)| !version.ends_with("/go.mod")).count(), 1);
    }

    #[test]
    fn what_is_listed_is_what_the_program_is_built_of() {
        let toolchain = "go".to_owned().try_into().unwrap();
        let go = Go {
            toolchain,
            package: "./cmd/x".into(),
            tags: vec!["t".into()],
            language: None,
            stamps: Default::default(),
            libraries: vec![],
            test: false,
        };
        let list = list(&go, "a.org/x", Arch::I386);
        assert_eq!(list.env["GOARCH"], "386");
        assert!(
            list.argv.join(" ").contains("list -deps -tags t -f {{if not .Standard}}{{.ImportPath}}{{range .Imports}}")
        );
        assert_eq!(list.argv.last().unwrap(), "./cmd/x");
    }
}
