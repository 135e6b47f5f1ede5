//! `k8s-node`: what the first-boot script calls on a switch, stage by stage, and what the person at the switch asks.

#[macro_use(eprintln, print, println)]
extern crate common;

mod admit;
mod api;
mod arguments;
mod certificate_authority;
mod collect;
mod containers;
mod down;
mod enrolment_server;
mod health;
mod image_archive;
mod iptables;
mod kubelet_key;
mod leftovers;
mod loaded_images;
#[cfg(test)]
mod master_fixture;
mod new_cluster;
mod node_keys;
mod program;
mod record;
mod release;
mod renew;
mod reset;
mod room;
mod routes;
mod service;
mod socat;
mod stage;
mod status;
mod switch;
mod sysctls;
mod systemd;
#[cfg(test)]
mod test_support;
mod volumes;

use std::{ffi::OsString, process::ExitCode};

use arguments::Command;
use cluster::JoinToken;

fn main() -> ExitCode {
    let called: Vec<OsString> = std::env::args_os().collect();
    if socat::is_called(&called) {
        return match socat::run(&called) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("socat: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let command = match arguments::parse() {
        Ok(command) => command,
        Err(error) => {
            eprintln!("k8s-node: {error}; `k8s-node --help` lists what there is");
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("k8s-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Help => print!("{}", arguments::help()),
        Command::Version => print!("{}", release::version()),
        Command::Stage(stage) => stage::run(stage)?,
        Command::Status { json } => return status::run(json),
        Command::Logs { service, follow } => systemd::logs(service.as_deref(), follow)?,
        Command::Token => println!("{}", JoinToken::make()?.reveal()),
        Command::Check { file } => println!("{}", switch::check(file.as_deref())?),
        Command::Collect { output } => collect::run(output.as_deref())?,
        Command::Renew { in_turn } => renew::run(in_turn)?,
        Command::Admit { who, key } => admit::run(&who, key)?,
        Command::EnrolmentServer => enrolment_server::run()?,
        Command::Down => down::run()?,
        Command::Reset { yes } => reset::run(yes)?,
    }
    Ok(ExitCode::SUCCESS)
}
