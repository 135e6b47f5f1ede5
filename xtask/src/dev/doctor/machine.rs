//! This machine, asked for what verbs need.

use std::cell::OnceCell;

use common::command::{Program, find_on_path};

use super::{
    i386::runs_linux_386,
    needs::{BUILD, Need},
};
use crate::workspace::dist;

/// What is asked once, as it takes a moment.
#[derive(Default)]
pub struct Machine {
    engine: OnceCell<Option<String>>,
    linux_386: OnceCell<bool>,
}

impl Machine {
    /// What to do about it, where this machine has not got it.
    pub fn lacks(&self, need: &Need) -> Option<String> {
        let unless = |there: bool, hint: &str| (!there).then(|| hint.to_owned());
        match need {
            Need::Program { name, package, .. } => {
                unless(find_on_path(name).is_some(), &format!("apt-get install {package}"))
            }
            Need::Engine { .. } => self.engine.get_or_init(no_engine).clone(),
            Need::Root { .. } => unless(rustix::process::geteuid().is_root(), "run it as root"),
            Need::Linux386 => {
                let runs = *self.linux_386.get_or_init(runs_linux_386);
                unless(runs, "boot a kernel with CONFIG_IA32_EMULATION")
            }
            Need::Suite { name, .. } => {
                let hint = format!("add Debian's suite {name} to apt's sources, or use --in-docker");
                unless(sources::may_have_debian_suite(name), &hint)
            }
            Need::Cache => unless(pipeline::cache::default_directory().is_ok(), "set KOE_CACHE"),
            Need::Swix => unless(has_swix(), "cargo xtask build-swix"),
            Need::SwixOrBuild => {
                let all = has_swix() || BUILD.iter().all(|need| self.lacks(need).is_none());
                unless(all, "`cargo xtask doctor build-swix` says what its build lacks")
            }
        }
    }
}

impl Need {
    /// As it stands in doctor's lists.
    pub fn text(&self) -> String {
        let to = |name: &str, to: &str| format!("{name:15} to {to}");
        match self {
            Need::Program { name, to: purpose, .. } => to(name, purpose),
            Need::Engine { to: purpose } => to("Docker engine", purpose),
            Need::Root { to: purpose } => to("root", purpose),
            Need::Linux386 => "a kernel that runs linux/386 programs".to_owned(),
            Need::Suite { name, of } => format!("apt sources of {of} ({name})"),
            Need::Cache => match pipeline::cache::default_directory() {
                Ok(directory) => format!("build cache in {}", directory.display()),
                Err(_) => "a directory for the build cache".to_owned(),
            },
            Need::Swix => "a SWIX in dist/".to_owned(),
            Need::SwixOrBuild => "a SWIX in dist/, or what it takes to build one".to_owned(),
        }
    }

    /// In a word.
    #[cfg(feature = "lab")]
    pub fn name(&self) -> String {
        match self {
            Need::Program { name, .. } => (*name).to_owned(),
            Need::Engine { .. } => "a Docker engine that answers".to_owned(),
            Need::Root { .. } => "root".to_owned(),
            other => other.text(),
        }
    }
}

/// What to do, where no engine answers: that there is a client says nothing.
fn no_engine() -> Option<String> {
    if find_on_path("docker").is_none() {
        return Some("apt-get install docker.io".to_owned());
    }
    let asked = Program::new("docker", "ask the Docker engine")
        .and_then(|docker| docker.args(["version", "--format", "{{.Server.Version}}"]).read());
    let error = asked.err()?;
    let words = format!("{error:#}");
    let last = words.lines().last().unwrap_or_default().trim();
    Some(format!("start dockerd, as docs/stand-in.md says where root lacks capabilities ({last})"))
}

fn has_swix() -> bool {
    swix::dist::newest_swix(&dist()).is_ok()
}
