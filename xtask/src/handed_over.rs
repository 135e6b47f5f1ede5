//! The verbs that need more crates than a build does, in an xtask that was compiled without them, so that a build need not
//! wait for them. They are handed over, word for word, to an xtask that cargo compiles when it is needed first: one with the
//! formats' crates, or the whole.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    process::Command,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use clap::{Args, CommandFactory};
use common::command::{Program, cargo_variables};

use crate::{Xtask, workspace::workspace};

/// The verbs for which the formats' crates are enough.
const FORMATS_VERBS: [&str; 6] = ["audit", "diff", "inspect", "sign", "sign-dist", "verify"];

/// How long cargo may be at work before a word on it.
const QUIET: Duration = Duration::from_secs(2);

/// Whatever follows such a verb; the whole xtask knows what it means.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct HandedOver {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

pub type AgainstUpstream = HandedOver;
#[cfg(not(feature = "formats"))]
pub type Audit = HandedOver;
pub type BenchFlags = HandedOver;
pub type Chaos = HandedOver;
pub type Conformance = HandedOver;
pub type DeviceFlags = HandedOver;
#[cfg(not(feature = "formats"))]
pub type Diff = HandedOver;
#[cfg(not(feature = "formats"))]
pub type Inspect = HandedOver;
#[cfg(not(feature = "formats"))]
pub type Sign = HandedOver;
#[cfg(not(feature = "formats"))]
pub type SignDist = HandedOver;
#[cfg(not(feature = "formats"))]
pub type Verify = HandedOver;
pub type ImageFlags = HandedOver;
pub type Pki = HandedOver;
pub type PowerCuts = HandedOver;
pub type TestFlags = HandedOver;
pub type Topo = HandedOver;
pub type TopoTest = HandedOver;

impl HandedOver {
    pub fn run(self) -> Result<()> {
        hand_over()
    }
}

/// Whether the help on such a verb is asked for, by `help VERB`.
pub fn is_help() -> bool {
    let mut words = env::args_os().skip(1);
    let verb = words.next().filter(|word| word == "help").and(words.next());
    let xtask = Xtask::command();
    verb.and_then(|verb| xtask.find_subcommand(verb)).is_some_and(|verb| verb.is_disable_help_flag_set())
}

/// Puts an xtask that knows the verb in this program's place.
pub fn hand_over() -> Result<()> {
    let formats_do = env::args_os()
        .skip(1)
        .find(|word| word != "help")
        .is_some_and(|verb| FORMATS_VERBS.iter().any(|of| verb == *of));
    let features: &[&str] = if formats_do { &["--no-default-features", "--features", "formats"] } else { &[] };
    let manifest = workspace().join("Cargo.toml");
    let arguments = ["--quiet", "--package", "xtask", "--manifest-path"];
    let (compiled, is_compiled) = mpsc::channel::<()>();
    let telling = thread::spawn(move || {
        if is_compiled.recv_timeout(QUIET) == Err(RecvTimeoutError::Timeout) {
            let time = if formats_do { "a minute or two" } else { "some minutes" };
            eprintln!("compiling what this verb needs; the first time takes {time}");
        }
    });
    let cargo = Program::cargo("compile the xtask that this verb needs")?;
    let ended = cargo.arg("build").args(arguments).arg(&manifest).args(features).run_shown();
    drop(compiled);
    let _ = telling.join();
    ended?;
    let mut cargo = Command::new("cargo");
    for name in cargo_variables() {
        cargo.env_remove(name);
    }
    cargo.arg("run").args(arguments).arg(manifest).args(features).arg("--").args(env::args_os().skip(1));
    bail!("cargo cannot be run: {}", cargo.exec())
}
