//! Programs run as argument lists: never as shell text, always with a log and a limit, and with an error that
//! names the command, how it ended and the last lines that it printed.

mod child;

use std::{
    ffi::OsStr,
    fs,
    io::{self, Seek, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use xshell::Shell;

use self::child::{Ended, Running};
pub use self::child::{end_all, end_all_now};

/// How many of a failed program's last lines its error repeats.
const TAIL_LINES: usize = 20;

/// How long a program may take whose output is read.
const READ: Duration = Duration::from_secs(10 * 60);
/// How long one may take that writes a log, as compilers do, or downloads.
pub const LONG: Duration = Duration::from_secs(2 * 60 * 60);

/// A program to run, with its arguments, environment and directory.
#[derive(Debug)]
pub struct Program {
    argv: Vec<String>,
    command: Command,
    purpose: String,
    limit: Option<Duration>,
    /// What it reads; none for nothing.
    input: Option<fs::File>,
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{program} is required to {purpose}, and it cannot be run: {error}")]
    NotRun { program: String, purpose: String, error: io::Error },
    #[error("cannot {purpose}: `{command}` ended with {status}{tail}")]
    Failed { command: String, purpose: String, status: ExitStatus, tail: String },
    #[error("cannot {purpose}: `{command}` was ended, as it was not done after {} s{tail}", limit.as_secs_f64())]
    AtLimit { command: String, purpose: String, limit: Duration, tail: String },
}

impl Program {
    /// `purpose` completes "is required to …" and "cannot …".
    pub fn new(program: impl AsRef<OsStr>, purpose: &str) -> Result<Self> {
        let shell = Shell::new().context("cannot tell the current directory")?;
        let name = program.as_ref();
        let mut command = shell.cmd(name).into();
        child::prepare(&mut command);
        Ok(Program {
            argv: vec![name.to_string_lossy().into_owned()],
            command,
            purpose: purpose.to_owned(),
            limit: None,
            input: None,
        })
    }

    /// Cargo, as from a shell.
    pub fn cargo(purpose: &str) -> Result<Self> {
        Ok(cargo_variables().fold(Self::new("cargo", purpose)?, |cargo, name| cargo.env_remove(&name)))
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.argv.push(arg.as_ref().to_string_lossy().into_owned());
        self.command.arg(arg);
        self
    }

    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts from an environment with nothing in it.
    pub fn empty_env(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Starts from an environment with nothing in it but what names this machine's user, network and locale.
    pub fn clean_env(mut self) -> Self {
        self.command.env_clear();
        for name in ["PATH", "HOME", "USER", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                self.command.env(name, value);
            }
        }
        self.command.env("LC_ALL", "C");
        self.users_network(&[])
    }

    /// With what the user's environment says of the network, and the variables whose names begin so.
    pub fn users_network(mut self, beginnings: &[&str]) -> Self {
        for (name, value) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            let is_own = beginnings.iter().any(|beginning| upper.starts_with(beginning));
            if is_own || upper.ends_with("_PROXY") || upper.starts_with("SSL_CERT_") {
                self.command.env(name, value);
            }
        }
        self
    }

    /// How long it may take; otherwise ten minutes, or two hours where it writes a log.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// What [`Program::read`] and [`Program::output`] have it read, once. By way of a file: who writes into a pipe waits for who
    /// reads it.
    pub fn input(mut self, text: &str) -> Result<Self> {
        let fill = || -> io::Result<fs::File> {
            let mut file = tempfile::tempfile()?;
            file.write_all(text.as_bytes())?;
            file.rewind()?;
            Ok(file)
        };
        self.input = Some(fill().with_context(|| format!("cannot keep what {} is to read", self.argv[0]))?);
        Ok(self)
    }

    pub fn dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// The command as a person would type it.
    pub fn text(&self) -> String {
        quoted(&self.argv)
    }

    /// Runs the program to its end with both outputs appended to `log`.
    pub fn run_logged(mut self, log: &Path) -> Result<()> {
        let file = self.begin_log(log)?;
        self.command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let running = self.start(LONG)?;
        self.succeed_logged(running, log)
    }

    /// Runs the program to its end and hands over each line of its standard output as it comes; standard error is
    /// appended to `log`.
    pub fn follow(mut self, log: &Path, mut line: impl FnMut(&str)) -> Result<()> {
        let file = self.begin_log(log)?;
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut running = self.start(LONG)?;
        let (stdout, _) = running.outputs();
        let mut said = Vec::new();
        while let Some(piece) = running.next(&stdout) {
            said.extend(piece);
            while let Some(end) = said.iter().position(|byte| *byte == b'\n') {
                line(&String::from_utf8_lossy(&said[..end]));
                said.drain(..=end);
            }
        }
        if !said.is_empty() {
            line(&String::from_utf8_lossy(&said));
        }
        self.succeed_logged(running, log)
    }

    /// Runs the program to its end with this program's outputs.
    pub fn run_shown(mut self) -> Result<()> {
        self.command.stdin(Stdio::null());
        let running = self.start(LONG)?;
        self.succeed(running, Vec::new)
    }

    fn begin_log(&self, log: &Path) -> Result<fs::File> {
        let mut file = append_to(log)?;
        writeln!(file, "$ {}", self.text()).with_context(|| format!("cannot write {}", log.display()))?;
        Ok(file)
    }

    fn succeed_logged(&self, running: Running, log: &Path) -> Result<()> {
        let ended = self.succeed(running, || fs::read(log).unwrap_or_default());
        ended.with_context(|| format!("the whole log is {}", log.display()))
    }

    fn succeed(&self, running: Running, said: impl Fn() -> Vec<u8>) -> Result<()> {
        let status = self.end_of(running, &said)?;
        if status.success() { Ok(()) } else { Err(self.failed(status, &said()).into()) }
    }

    /// Runs the program and returns its standard output; what it says on standard error goes into the error.
    pub fn read(mut self) -> Result<String> {
        let output = self.output()?;
        if !output.status.success() {
            return Err(self.failed(output.status, &[output.stdout, output.stderr].concat()).into());
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{}` did not print UTF-8", self.text()))
    }

    /// Runs the program and returns how it ended and what it printed, for callers that expect more than success.
    pub fn output(&mut self) -> Result<Output> {
        let input = self.input.take().map_or_else(Stdio::null, Stdio::from);
        self.command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = self.start(READ)?;
        let (stdout, stderr) = running.outputs();
        let [stdout, stderr] =
            [stdout, stderr].map(|pieces| std::iter::from_fn(|| running.next(&pieces)).flatten().collect::<Vec<u8>>());
        let status = self.end_of(running, || [stdout.as_slice(), &stderr].concat())?;
        Ok(Output { status, stdout, stderr })
    }

    fn start(&mut self, usual: Duration) -> Result<Running> {
        let limit = self.limit.unwrap_or(usual);
        Ok(Running::start(&mut self.command, limit).map_err(|error| self.not_run(error))?)
    }

    /// Waits until it has ended by itself.
    fn end_of(&self, running: Running, said: impl Fn() -> Vec<u8>) -> Result<ExitStatus> {
        let limit = running.limit;
        match running.wait().with_context(|| format!("cannot wait for `{}`", self.text()))? {
            Ended::By(status) => Ok(status),
            Ended::AtLimit => {
                let (command, purpose) = (self.text(), self.purpose.clone());
                Err(Failure::AtLimit { command, purpose, limit, tail: tail(&said()) }.into())
            }
        }
    }

    fn not_run(&self, error: io::Error) -> Failure {
        Failure::NotRun { program: self.argv[0].clone(), purpose: self.purpose.clone(), error }
    }

    fn failed(&self, status: ExitStatus, printed: &[u8]) -> Failure {
        Failure::Failed { command: self.text(), purpose: self.purpose.clone(), status, tail: tail(printed) }
    }
}

/// Words as a shell takes them for the same words.
pub fn quoted(words: &[String]) -> String {
    let quote = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn append_to(log: &Path) -> Result<fs::File> {
    let file = fs::OpenOptions::new().create(true).append(true).open(log);
    file.with_context(|| format!("cannot write the log {}", log.display()))
}

/// The last lines, each on a line of its own.
fn tail(printed: &[u8]) -> String {
    let printed = String::from_utf8_lossy(printed);
    let lines: Vec<&str> = printed.trim_end().lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("\n    {line}")).collect()
}

/// What `cargo run` and `cargo test` tell a program of its package. Another cargo must not inherit it from that program: build
/// scripts that ask for it would run again, and all that depends on them be compiled again.
pub fn cargo_variables() -> impl Iterator<Item = String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
}

/// The first program of that name on PATH.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| is_program(file))
}

/// A file that may not be run is passed over, as a shell does.
fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
