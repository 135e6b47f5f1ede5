//! `k8s-node`: what the first-boot script calls on a switch, stage by stage, and what the person at the switch asks.

#[macro_use(eprintln, print, println)]
extern crate common;

mod admit;
mod alerts;
mod api;
mod arguments;
mod backup;
mod bridge;
mod certificate_authority;
mod client_authorities;
mod collect;
mod containers;
mod default_namespace;
mod desired;
mod down;
mod dropped;
mod enrolment_log;
mod enrolment_server;
mod eos_cli;
mod etcd;
mod exposure;
mod firewall;
mod forwarding;
mod health;
mod image_archive;
mod init;
mod iptables;
mod kept_units;
mod kubeconfig;
mod kubelet_key;
mod leftovers;
mod loaded_images;
#[cfg(test)]
mod master_fixture;
mod metrics_server;
mod mounted;
mod moved_on;
mod new_cluster;
mod node_keys;
mod node_roles;
mod overlay;
mod passphrase;
mod pod_addresses;
mod preflight;
mod program;
mod reconciler;
mod record;
mod release;
mod renew;
mod reset;
mod restore;
mod reverse_path;
mod revoke;
mod room;
mod rotate_ca;
mod routes;
mod service;
mod snapshots;
mod socat;
mod stage;
mod status;
mod storage;
mod switch;
mod sysctls;
mod syslog;
mod systemd;
#[cfg(test)]
mod test_network;
#[cfg(test)]
mod test_support;
mod volumes;
mod vtep;

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
    // Of itself alone it says what it is from anywhere.
    let entered = if matches!(command, Command::Help | Command::Version) { Ok(()) } else { default_namespace::enter() };
    match entered.and_then(|()| run(command)) {
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
        Command::Init(options) => init::run(*options)?,
        Command::Token => println!("{}", JoinToken::make()?.reveal()),
        Command::Acl => println!("{}", switch::acl()?.trim_end()),
        Command::Preflight => return Ok(preflight::run()),
        Command::Check { file, from } => println!("{}", switch::check(file.as_deref(), from)?),
        Command::Collect { output } => collect::run(output.as_deref())?,
        Command::Renew { in_turn } => renew::run(in_turn)?,
        Command::Admit { who, key } => admit::run(&who, key)?,
        Command::Revoke { name, undo } => revoke::run(&name, undo)?,
        Command::Backup { file, protection } => backup::run(&file, protection)?,
        Command::Restore { file, key, yes } => restore::run(&file, key, yes)?,
        Command::Snapshot => snapshots::run()?,
        Command::EtcdDefrag => etcd::defragment::run()?,
        Command::Kubeconfig(order) => kubeconfig::run(&order)?,
        Command::RotateCa(step) => rotate_ca::run(&step)?,
        Command::EnrolmentServer => enrolment_server::run()?,
        Command::Reconciler => reconciler::run()?,
        Command::Pause { time } => reconciler::pause(time)?,
        Command::Resume => reconciler::resume()?,
        Command::Down { caller } => down::run(caller)?,
        Command::StorageGrow { to } => storage::grow(to)?,
        Command::Reset { yes } => reset::run(yes)?,
    }
    Ok(ExitCode::SUCCESS)
}
