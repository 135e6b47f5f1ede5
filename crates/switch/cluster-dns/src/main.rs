//! `cluster-dns`: answers the names of this switch's pods and programs. Called as `metrics-server` it is that: most of both is the same
//! code, which a SWIX has no room for twice.

#[macro_use(eprintln, print, println)]
extern crate common;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use cluster_dns::options::{self, Command};
use cluster_dns::run;

fn main() -> ExitCode {
    if is_called(metrics_server::program::NAME) {
        return metrics_server::program::main();
    }
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

fn is_called(name: &str) -> bool {
    std::env::args_os().next().is_some_and(|called| Path::new(&called).file_name().is_some_and(|called| called == name))
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
