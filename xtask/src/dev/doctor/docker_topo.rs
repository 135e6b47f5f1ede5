//! docker-topo as `doctor` sees it: whether it is there and runs. Nothing needs it, because the built-in driver brings up
//! the same topologies.

use std::path::Path;

use anyhow::Result;
use common::command::{Program, find_on_path};

const HOW_TO_GET: &str = "it is in no package registry: pip install git+https://github.com/networkop/docker-topo.git";

/// What it runs with; all but Python itself is in PyPI.
const NEEDS: &str = "Python before 3.12 (or setuptools' distutils), pyyaml, docker, netaddr, pyroute2==0.5.3, setuptools, and \
                     packaging before 22 where a cEOS image has a version for its tag";

/// Prints what is known of the Python that it runs with, a line.
const VERSIONS: &str = include_str!("versions.py");

/// One line on docker-topo.
pub fn line() -> String {
    let Some(path) = find_on_path("docker-topo") else {
        return format!("  absent  docker-topo: {HOW_TO_GET}; it needs {NEEDS}");
    };
    let shown = path.display();
    match run(&path) {
        Ok(()) => {
            let versions = versions(&path).unwrap_or_else(|| "of unknown version".to_owned());
            format!("  ok      docker-topo in {shown}: {versions}")
        }
        Err(error) => {
            let words = format!("{error:#}");
            let last = words.lines().last().unwrap_or_default().trim();
            format!("  broken  docker-topo in {shown}: {last}; it needs {NEEDS}")
        }
    }
}

fn run(path: &Path) -> Result<()> {
    Program::new(path, "try docker-topo")?.arg("--help").read().map(drop)
}

fn versions(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let words: Vec<&str> = text.lines().next()?.strip_prefix("#!")?.split_whitespace().collect();
    let (python, arguments) = words.split_first()?;
    let asked = Program::new(python, "ask docker-topo's Python").ok()?.args(arguments).args(["-c", VERSIONS]);
    Some(asked.read().ok()?.trim().to_owned())
}
