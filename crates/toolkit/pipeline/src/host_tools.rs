//! This machine's C compiler and linker, which Rust programs are linked by: which they are counts for the key, and is recorded.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use common::{
    Sha256,
    command::{Program, find_on_path},
    files,
};
use serde::Serialize;

/// What is called, and what GCC itself calls.
const CALLED: [&str; 2] = ["gcc", "ar"];
const BEHIND_GCC: [&str; 4] = ["cc1", "collect2", "as", "ld"];

#[derive(Debug, Clone, Serialize)]
pub struct HostTool {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub sha256: Sha256,
    #[serde(skip)]
    path: PathBuf,
}

/// By their names.
#[derive(Debug, Clone, Serialize)]
pub struct HostTools(BTreeMap<String, HostTool>);

impl HostTools {
    /// Those that are on PATH, and what that GCC calls.
    pub fn find() -> Result<Self> {
        let mut tools = BTreeMap::new();
        for name in CALLED {
            let path = find_on_path(name).with_context(|| {
                format!("{name} is required to compile Rust programs for the switch: install gcc and binutils")
            })?;
            let printed = alone(&path, "learn its version")?.arg("--version").read()?;
            let version = printed.lines().next().map(str::to_owned);
            tools.insert(name.to_owned(), HostTool::at(path, version)?);
        }
        for name in BEHIND_GCC {
            let ask = alone(&tools["gcc"].path, &format!("find its {name}"))?;
            let printed = ask.arg(format!("-print-prog-name={name}")).read()?;
            let path = Path::new(printed.trim());
            let path = if path.is_absolute() { Some(path.to_owned()) } else { find_on_path(printed.trim()) };
            let Some(path) = path.filter(|path| path.is_file()) else {
                bail!("gcc finds no {name}, and cannot compile without: install gcc and binutils")
            };
            tools.insert(name.to_owned(), HostTool::at(path, None)?);
        }
        Ok(HostTools(tools))
    }

    /// Each with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &HostTool)> {
        self.0.iter()
    }

    /// A directory for PATH with these tools and no others.
    pub(crate) fn lay_out(&self, directory: &Path) -> Result<()> {
        files::create_dir(directory)?;
        // Cargo's name for what links programs that run here.
        let linker = std::iter::once(("cc", &self.0["gcc"]));
        let called = self.0.iter().filter(|(name, _)| !["cc1", "collect2"].contains(&name.as_str()));
        for (name, tool) in called.map(|(name, tool)| (name.as_str(), tool)).chain(linker) {
            let link = directory.join(name);
            symlink(&tool.path, &link).with_context(|| format!("cannot make the link {}", link.display()))?;
        }
        Ok(())
    }

    /// Fails with the first one that is another one now.
    pub(crate) fn unchanged(&self) -> Result<()> {
        for (name, tool) in &self.0 {
            if Sha256::of_file(&tool.path).ok() != Some(tool.sha256) {
                bail!(
                    "{name} ({}) changed while it was being used: nothing of it is kept; run again",
                    tool.path.display()
                )
            }
        }
        Ok(())
    }
}

/// As it is run in a build: variables that lead GCC elsewhere do not count.
fn alone(path: &Path, purpose: &str) -> Result<Program> {
    let path_of_all = std::env::var_os("PATH").unwrap_or_default();
    Ok(Program::new(path, purpose)?.empty_env().env("PATH", path_of_all).env("LC_ALL", "C"))
}

impl HostTool {
    fn at(path: PathBuf, version: Option<String>) -> Result<Self> {
        let mut magic = [0; 4];
        let is_program =
            File::open(&path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF";
        ensure!(
            is_program,
            "{} is a script: a build cannot count what that runs in its place; put the program itself on PATH before it",
            path.display()
        );
        let sha256 = Sha256::of_file(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(HostTool { version, sha256, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_compiled_by_the_tools_that_are_counted_and_no_others() {
        let tools = HostTools::find().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        tools.lay_out(&at.join("tools")).unwrap();
        std::fs::write(at.join("a.c"), "int main(void) { return 0; }\n").unwrap();
        let cc = Program::new(at.join("tools/cc"), "compile").unwrap().empty_env().env("PATH", at.join("tools"));
        cc.args(["-o", "a", "a.c"]).dir(at).read().unwrap();
        tools.unchanged().unwrap();
        let names: Vec<&str> = tools.0.keys().map(String::as_str).collect();
        assert_eq!(names, ["ar", "as", "cc1", "collect2", "gcc", "ld"]);
        assert!(tools.0["gcc"].version.as_ref().is_some_and(|version| version.contains("gcc")));
    }

    #[test]
    fn a_script_in_a_tool_s_place_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let gcc = directory.path().join("gcc");
        std::fs::write(&gcc, "#!/bin/sh\nexec /usr/bin/gcc \"$@\"\n").unwrap();
        assert!(HostTool::at(gcc, None).unwrap_err().to_string().contains("gcc is a script"));
    }

    #[test]
    fn a_tool_that_was_replaced_is_named() {
        let mut tools = HostTools::find().unwrap();
        tools.0.get_mut("ld").unwrap().sha256 = Sha256::of_bytes("another");
        assert!(tools.unchanged().unwrap_err().to_string().starts_with("ld ("));
    }
}
