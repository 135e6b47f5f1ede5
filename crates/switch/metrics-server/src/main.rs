//! `metrics-server`: what nodes and pods use, for `kubectl top`.

#[macro_use(eprintln, print, println)]
extern crate common;

use std::process::ExitCode;

use anyhow::Context as _;
use metrics_server::options::{self, Command};
use metrics_server::run;

fn main() -> ExitCode {
    let command = match options::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("metrics-server: {error}");
            return ExitCode::from(2);
        }
    };
    match follow(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("metrics-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn follow(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Help => print!("{}", options::HELP),
        Command::Version => println!("metrics-server {}", env!("CARGO_PKG_VERSION")),
        Command::Run(options) => {
            daemon::log::start("metrics_server", options.verbosity);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.context("cannot start the runtime")?.block_on(run::run(*options))?;
        }
    }
    Ok(())
}
