//! Programs run as argument lists: never as shell text, always with a log, and with an error that
//! names the command, how it ended and the last lines that it printed.

use std::{
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
};

use anyhow::{Context, Result};
use xshell::Shell;

/// How many of a failed program's last lines its error repeats.
const TAIL_LINES: usize = 20;

/// A program to run, with its arguments, environment and directory.
#[derive(Debug)]
pub struct Program {
    argv: Vec<String>,
    command: Command,
    purpose: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{program} is required to {purpose}, and it cannot be run: {error}")]
    NotRun { program: String, purpose: String, error: io::Error },
    #[error("cannot {purpose}: `{command}` ended with {status}{tail}")]
    Failed { command: String, purpose: String, status: ExitStatus, tail: String },
}

impl Program {
    /// `purpose` completes "is required to …" and "cannot …".
    pub fn new(program: impl AsRef<OsStr>, purpose: &str) -> Result<Self> {
        let shell = Shell::new().context("cannot tell the current directory")?;
        let name = program.as_ref();
        Ok(Program {
            argv: vec![name.to_string_lossy().into_owned()],
            command: shell.cmd(name).into(),
            purpose: purpose.to_owned(),
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

    /// Starts from an environment with nothing in it but what names this machine's user, network and locale.
    pub fn clean_env(mut self) -> Self {
        self.command.env_clear();
        for name in ["PATH", "HOME", "USER", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                self.command.env(name, value);
            }
        }
        for (name, value) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if upper.ends_with("_PROXY") || upper.starts_with("SSL_CERT_") {
                self.command.env(name, value);
            }
        }
        self.command.env("LC_ALL", "C");
        self
    }

    pub fn dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// The command as a person would type it.
    pub fn text(&self) -> String {
        let quote = |arg: &String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
            if !arg.is_empty() && arg.chars().all(plain) {
                arg.clone()
            } else {
                format!("'{}'", arg.replace('\'', r"'\''"))
            }
        };
        self.argv.iter().map(quote).collect::<Vec<_>>().join(" ")
    }

    /// Runs the program to its end with both outputs appended to `log`.
    pub fn run_logged(mut self, log: &Path) -> Result<()> {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(log);
        if let Ok(file) = &mut file {
            writeln!(file, "$ {}", self.text()).with_context(|| format!("cannot write {}", log.display()))?;
        }
        let file = file.with_context(|| format!("cannot write the log {}", log.display()))?;
        self.command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let status = self.command.status().map_err(|error| self.not_run(error))?;
        if status.success() {
            return Ok(());
        }
        let text = fs::read(log).unwrap_or_default();
        Err(self.failed(status, &text)).with_context(|| format!("the whole log is {}", log.display()))
    }

    /// Runs the program to its end and hands over each line of its standard output as it comes; standard error is
    /// appended to `log`.
    pub fn follow(mut self, log: &Path, mut line: impl FnMut(&str)) -> Result<()> {
        let file = fs::OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write the log {}", log.display()))?;
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = self.command.spawn().map_err(|error| self.not_run(error))?;
        for said in child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
            // What cannot be read any more is told by how the program ends.
            let Ok(said) = said else { break };
            line(&said);
        }
        let status = child.wait().with_context(|| format!("cannot wait for `{}`", self.text()))?;
        if status.success() {
            return Ok(());
        }
        Err(self.failed(status, &fs::read(log).unwrap_or_default()).into())
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
        self.command.stdin(Stdio::null());
        Ok(self.command.output().map_err(|error| self.not_run(error))?)
    }

    fn not_run(&self, error: io::Error) -> Failure {
        Failure::NotRun { program: self.argv[0].clone(), purpose: self.purpose.clone(), error }
    }

    fn failed(&self, status: ExitStatus, printed: &[u8]) -> Failure {
        let printed = String::from_utf8_lossy(printed);
        let lines: Vec<&str> = printed.trim_end().lines().collect();
        let tail: String =
            lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("\n    {line}")).collect();
        Failure::Failed { command: self.text(), purpose: self.purpose.clone(), status, tail }
    }
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
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_named_with_its_last_lines() {
        let failing = Program::new("ls", "list a directory").unwrap().arg("/no/such directory");
        let error = format!("{:#}", failing.read().unwrap_err());
        assert!(error.contains("cannot list a directory: `ls '/no/such directory'` ended with"), "{error}");
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn what_cargo_tells_this_test_is_not_handed_on_and_where_its_files_are_is() {
        let names: Vec<String> = cargo_variables().collect();
        assert!(names.iter().any(|name| name == "CARGO_PKG_NAME") && names.iter().all(|name| name != "CARGO_HOME"));
    }

    #[test]
    fn a_program_that_is_not_there_says_what_it_is_needed_for() {
        let error = Program::new("no-such-program", "prove a point").unwrap().read().unwrap_err().to_string();
        assert!(error.contains("no-such-program is required to prove a point"), "{error}");
    }

    #[test]
    fn a_followed_program_s_lines_are_handed_over_and_what_it_says_last_is_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut lines = Vec::new();
        let failing = Program::new("sh", "speak").unwrap().args(["-c", "echo one; echo two; echo why >&2; exit 3"]);
        let error = failing.follow(&dir.path().join("log"), |line| lines.push(line.to_owned())).unwrap_err();
        assert_eq!(lines, ["one", "two"]);
        assert!(error.to_string().ends_with("exit status: 3\n    why"), "{error}");
    }

    #[test]
    fn what_may_not_be_run_is_no_program() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("program");
        for (mode, is) in [(0o644, false), (0o755, true)] {
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!((is_program(&file), is_program(directory.path())), (is, false), "{mode:o}");
        }
    }

    #[test]
    fn a_logged_program_leaves_command_and_output_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        Program::new("echo", "speak").unwrap().arg("hello").run_logged(&log).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "$ echo hello\nhello\n");
    }
}
