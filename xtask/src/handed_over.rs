//! The verbs that need more crates than a build does, in an xtask that was compiled without them, so that a build need not
//! wait for them. They are handed over, word for word, to an xtask that cargo compiles when it is needed first: one with the
//! formats' crates, or the whole.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, CommandFactory};
use common::command::cargo_variables;

use crate::{Xtask, workspace::workspace};

/// The verb for which the formats' crates are enough.
const FORMATS_VERB: &str = "inspect";

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
pub type BenchFlags = HandedOver;
pub type Chaos = HandedOver;
pub type DeviceFlags = HandedOver;
#[cfg(not(feature = "formats"))]
pub type Inspect = HandedOver;
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
    let formats_do = env::args_os().skip(1).find(|word| word != "help").is_some_and(|verb| verb == FORMATS_VERB);
    let features: &[&str] = if formats_do { &["--no-default-features", "--features", "formats"] } else { &[] };
    let cargo = |verb| {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for name in cargo_variables() {
            cargo.env_remove(name);
        }
        cargo.args([verb, "--quiet", "--package", "xtask", "--manifest-path"]).arg(workspace().join("Cargo.toml"));
        cargo.args(features);
        cargo
    };
    let mut compiling = cargo("build").spawn().context("cargo cannot be run")?;
    let began = Instant::now();
    let mut told = false;
    let status = loop {
        if let Some(status) = compiling.try_wait().context("cargo cannot be waited for")? {
            break status;
        }
        if !told && began.elapsed() > QUIET {
            eprintln!(
                "compiling what this verb needs; the first time takes {}",
                if formats_do { "a moment" } else { "some minutes" }
            );
            told = true;
        }
        thread::sleep(Duration::from_millis(20));
    };
    ensure!(status.success(), "the xtask that this verb needs does not compile");
    let error = cargo("run").arg("--").args(env::args_os().skip(1)).exec();
    bail!("cargo cannot be run: {error}")
}
