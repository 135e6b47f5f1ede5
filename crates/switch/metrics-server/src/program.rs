//! The program: its command line followed to its end. It is called by its name in a program that has more than this.

use std::process::ExitCode;

use anyhow::Context as _;
use common::{eprintln, print, println};

use crate::options::{self, Command};
use crate::run;

/// What it is called.
pub const NAME: &str = "metrics-server";

pub fn main() -> ExitCode {
    let command = match options::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("{NAME}: {error}");
            return ExitCode::from(2);
        }
    };
    match follow(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn follow(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Help => print!("{}", options::HELP),
        Command::Version => println!("{NAME} {}", env!("CARGO_PKG_VERSION")),
        Command::Run(options) => {
            daemon::log::start("metrics_server", options.verbosity);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.context("cannot start the runtime")?.block_on(run::run(*options))?;
        }
    }
    Ok(())
}
