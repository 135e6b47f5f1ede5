//! `kube-proxy`: makes Services work on this node.

#[macro_use(eprintln, print, println)]
extern crate common;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube_proxy::options::{self, Command, Options, ProxyMode};
use kube_proxy::{iptables, run};

/// How long `--print-rules` waits for the API server.
const TIMEOUT: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let command = match options::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("kube-proxy: {error}");
            return ExitCode::from(2);
        }
    };
    match follow(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kube-proxy: {}", api_watch::causes(&*error));
            ExitCode::FAILURE
        }
    }
}

fn follow(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Help => print!("{}", options::help()),
        Command::Version => println!("kube-proxy {}", env!("CARGO_PKG_VERSION")),
        Command::Run(options) => {
            daemon::log::start("kube_proxy", options.verbosity);
            runtime()?.block_on(run::run(options))?;
        }
        Command::Cleanup(options) => {
            daemon::log::start("kube_proxy", options.verbosity);
            let removed = iptables::clean_up(&iptables::Tool::find()?)?;
            println!(
                "{}",
                if removed { "removed the rules of kube-proxy" } else { "there are no rules of kube-proxy" }
            );
        }
        Command::PrintRules(options) => {
            daemon::log::start("kube_proxy", options.verbosity);
            print_rules(&options)?;
        }
    }
    Ok(())
}

fn print_rules(options: &Options) -> anyhow::Result<()> {
    if options.proxy_mode == Some(ProxyMode::Userspace) {
        bail!(
            "--print-rules is for the iptables mode: rules of the userspace mode name ports that exist only while it runs"
        );
    }
    let model = runtime()?.block_on(run::model_of_now(options, TIMEOUT))?;
    let settings = run::iptables_settings(options, iptables::Features::all());
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match iptables::print_rules(&model, &settings, &mut out).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the rules"),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}
