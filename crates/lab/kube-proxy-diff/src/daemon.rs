//! A program that runs until it is dropped, with a log.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{limits, netns::Netns};

/// How much of a log is shown where something went wrong.
const TAIL: usize = 4096;

/// A program to start.
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// It does not run where it is not granted the limits that it sets.
    pub insists_on_limits: bool,
}

/// A running program; it is killed when this is dropped, and when its namespace goes.
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts a program in a namespace; what it prints goes to `log`.
    pub fn start(name: &str, program: &Program, netns: &Netns, log: &Path) -> Result<Daemon> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&program.path).args(&program.arguments);
        if program.insists_on_limits {
            limits::pretend_where_needed(&mut command);
        }
        Daemon::start_command(name, command, program, netns, log)
    }

    /// Starts it by a command that ends as the program itself.
    pub fn start_command(
        name: &str,
        mut command: Command,
        program: &Program,
        netns: &Netns,
        log: &Path,
    ) -> Result<Daemon> {
        let file = File::create(log).with_context(|| format!("cannot write the log {}", log.display()))?;
        command.envs(program.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = netns.spawn(command)?;
        Ok(Daemon { name: name.to_owned(), child, log: log.to_owned() })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails, with the end of its log, if the program is not running any more.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.log_tail()),
        }
    }

    /// The end of what it printed.
    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        text[text.ceil_char_boundary(text.len().saturating_sub(TAIL))..].to_owned()
    }

    /// All that it printed.
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
