//! `cluster-dns`: answers the names of this switch's pods and programs.

#[macro_use(eprintln, print, println)]
extern crate common;

use std::process::ExitCode;

use anyhow::Context as _;
use cluster_dns::options::{self, Command};
use cluster_dns::run;

fn main() -> ExitCode {
    let command = match options::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("cluster-dns: {error}");
            return ExitCode::from(2);
        }
    };
    match follow(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster-dns: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn follow(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Help => print!("{}", options::HELP),
        Command::Version => println!("cluster-dns {}", env!("CARGO_PKG_VERSION")),
        Command::Remove(options) => run::remove(&options)?,
        Command::Run(options) => {
            daemon::log::start("cluster_dns", options.verbosity);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.context("cannot start the runtime")?.block_on(run::run(*options))?;
        }
    }
    Ok(())
}
