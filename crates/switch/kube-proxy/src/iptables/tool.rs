//! iptables' programs: found, and run with input and output streamed, so that no table is ever held in memory.

use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use common::command::Program;
use common::xtables::{self, Held, Variant};

use super::limited::Limited;
use super::{Feature, Features, IptablesError, probe};

/// Far longer than the largest tables take on the slowest switch; who takes longer hangs.
const LIMIT: Duration = Duration::from_secs(300);
/// Enough for any error message of iptables.
const STDERR_LIMIT: u64 = 16 << 10;

/// The tables of iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    Nat,
    Filter,
    /// Where packets come before conntrack sees them.
    Raw,
    Mangle,
}

impl Table {
    /// Those that Services need.
    pub const ALL: [Self; 2] = [Self::Nat, Self::Filter];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Filter => "filter",
            Self::Raw => "raw",
            Self::Mangle => "mangle",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl AsRef<str> for Table {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// iptables as this machine has it.
#[derive(Clone, Debug)]
pub struct Tool {
    restore: PathBuf,
    save: PathBuf,
    variant: Variant,
    features: Features,
    /// How iptables-restore is told to wait for the lock; empty where it does not know it at all.
    wait: &'static [&'static str],
    /// How long one of the programs may take.
    limit: Duration,
}

impl Tool {
    /// The `iptables` on PATH. Tries out what it can do in a network namespace that is thrown away, and logs a line for each feature that is missing.
    pub fn find() -> Result<Self, IptablesError> {
        Self::named("iptables")
    }

    /// `iptables-legacy` or `iptables-nft`, whichever `iptables` is not, where it is installed as well.
    pub fn other_variant(&self) -> Option<Self> {
        let (name, variant) = match self.variant {
            Variant::Legacy => ("iptables-nft", Variant::Nft),
            Variant::Nft => ("iptables-legacy", Variant::Legacy),
        };
        let (save, restore) = (on_path(format!("{name}-save")).ok()?, on_path(format!("{name}-restore")).ok()?);
        Some(Self { restore, save, variant, ..self.clone() })
    }

    /// As [`find`](Self::find), for `iptables-legacy` and `iptables-nft` as well.
    pub fn named(name: &str) -> Result<Self, IptablesError> {
        let iptables = on_path(name.to_owned())?;
        let (save, restore) = (on_path(format!("{name}-save"))?, on_path(format!("{name}-restore"))?);
        let version = version_of(&iptables)?;
        let variant = Variant::of_version(&version);
        let wait = xtables::wait_of(&restore).unwrap_or_default();
        let mut tool = Self { restore, save, variant, features: Features::NONE, wait, limit: LIMIT };
        tool.features = probe::run(&tool);
        tracing::info!(version = version.trim(), %variant, "iptables found");
        if tool.wait.is_empty() {
            tracing::warn!("iptables-restore does not know -w: the xtables lock is taken for it");
        }
        for feature in tool.features.missing() {
            tracing::warn!("iptables or the kernel lacks {}: {}", feature.name(), feature.without());
        }
        Ok(tool)
    }

    /// The same, with programs that may take so long.
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    pub fn variant(&self) -> Variant {
        self.variant
    }

    pub fn features(&self) -> Features {
        self.features
    }

    /// Whether there can be an iptables mode, and if not, why.
    pub fn can_do_iptables_mode(&self) -> Result<(), String> {
        self.has_all(&[Feature::Dnat, Feature::Masquerade, Feature::Mark, Feature::Statistic])
    }

    /// Whether there can be a userspace mode, and if not, why.
    pub fn can_do_userspace_mode(&self) -> Result<(), String> {
        self.has_all(&[Feature::Redirect])
    }

    fn has_all(&self, needed: &[Feature]) -> Result<(), String> {
        match needed.iter().find(|&&feature| !self.features.has(feature)) {
            None => Ok(()),
            Some(feature) => Err(format!("iptables or the kernel lacks {}", feature.name())),
        }
    }

    /// Runs `iptables-restore --noflush` on what `write` writes. Either all of a table's part happens, or nothing of it.
    pub fn restore(&self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), IptablesError> {
        let _lock = if self.wait.is_empty() { Some(self.lock()?) } else { None };
        let mut command = Command::new(&self.restore);
        command.arg("--noflush").args(self.wait).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = self.spawn(&mut command)?;
        let written = match child.child.stdin.take() {
            Some(stdin) => {
                let mut stdin = BufWriter::with_capacity(32 << 10, stdin);
                write(&mut stdin).and_then(|()| stdin.flush())
            }
            None => Ok(()),
        };
        let stderr = rest_of_stderr(&mut child);
        let status = child.wait().map_err(|error| not_run(&self.restore, error))?;
        if !status.success() {
            return Err(failed(&command, status, stderr));
        }
        written.map_err(|error| not_run(&self.restore, error))
    }

    /// Runs `iptables-save` for one table and hands over its lines, without their ends, as they come.
    pub fn save(&self, table: Table, line: &mut dyn FnMut(&str)) -> Result<(), IptablesError> {
        let mut command = Command::new(&self.save);
        command.args(["-t", table.as_str()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = self.spawn(&mut command)?;
        let mut read = Ok(());
        if let Some(stdout) = child.child.stdout.take() {
            let mut stdout = BufReader::with_capacity(32 << 10, stdout);
            let mut bytes = Vec::new();
            loop {
                bytes.clear();
                match stdout.read_until(b'\n', &mut bytes) {
                    Ok(0) => break,
                    Ok(_) => line(String::from_utf8_lossy(&bytes).trim_end_matches('\n')),
                    Err(error) => {
                        read = Err(error);
                        break;
                    }
                }
            }
        }
        let stderr = rest_of_stderr(&mut child);
        let status = child.wait().map_err(|error| not_run(&self.save, error))?;
        if !status.success() {
            return Err(failed(&command, status, stderr));
        }
        read.map_err(|error| IptablesError::NotRead { program: shown(&self.save), error })
    }

    fn spawn(&self, command: &mut Command) -> Result<Limited, IptablesError> {
        command.env("LC_ALL", "C").stderr(Stdio::piped());
        let spawned = Limited::spawn(command, self.limit);
        spawned.map_err(|error| IptablesError::NotRun { program: command.get_program().display().to_string(), error })
    }

    fn lock(&self) -> Result<Held, IptablesError> {
        let held = xtables::hold(xtables::PATIENCE).map_err(|error| not_run(&self.restore, error))?;
        held.ok_or_else(|| IptablesError::Locked { program: shown(&self.restore), stderr: "waited for 5 s".to_owned() })
    }
}

fn version_of(iptables: &Path) -> Result<String, IptablesError> {
    let program = Program::new(iptables, "know which iptables this is");
    let said = program.and_then(|program| program.arg("--version").env("LC_ALL", "C").limit(LIMIT).output());
    let said = said.map_err(|error| not_run(iptables, io::Error::other(format!("{error:#}"))))?;
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

fn on_path(program: String) -> Result<PathBuf, IptablesError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(&program)).find(|file| file.is_file());
    found.ok_or(IptablesError::NotFound { program })
}

fn rest_of_stderr(child: &mut Limited) -> String {
    let mut bytes = Vec::new();
    if let Some(stderr) = child.child.stderr.take() {
        // What it had to say is all that is lost if this fails; its exit status is looked at in any case.
        let _ = stderr.take(STDERR_LIMIT).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn failed(command: &Command, status: ExitStatus, stderr: String) -> IptablesError {
    let program = command.get_program().display().to_string();
    if xtables::says_locked(&stderr) {
        return IptablesError::Locked { program, stderr };
    }
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let words: Vec<_> = std::iter::once(program.as_str().into()).chain(arguments).collect();
    IptablesError::Failed { command: words.join(" "), status, stderr }
}

fn not_run(program: &Path, error: io::Error) -> IptablesError {
    IptablesError::NotRun { program: shown(program), error }
}

fn shown(program: &Path) -> String {
    program.display().to_string()
}
