//! systemd, through systemctl and journalctl as EOS has them.

use std::{collections::HashMap, os::unix::process::CommandExt, process::Command};

use anyhow::{Result, bail};
use common::command::Program;
use contract::services;

use crate::program;

fn systemctl(purpose: &str) -> Result<Program> {
    program::new("systemctl", purpose)
}

pub fn daemon_reload() -> Result<()> {
    systemctl("read the units again")?.arg("daemon-reload").read().map(drop)
}

/// Starts a unit and does not wait for it to be up.
pub fn start(unit: &str) -> Result<()> {
    systemctl("start a service")?.args(["--no-block", "start", unit]).read().map(drop)
}

pub fn restart(unit: &str) -> Result<()> {
    systemctl("restart a service")?.args(["--no-block", "restart", unit]).read().map(drop)
}

/// Stops a unit and waits for its end; one that is not there is fine.
pub fn stop(unit: &str) -> Result<()> {
    if state(unit)? == "inactive" {
        return Ok(());
    }
    systemctl("stop a service")?.args(["stop", unit]).read()?;
    // A unit that had failed would stay in systemd's list.
    forget_failure(unit)
}

/// One that has not failed is fine.
pub fn forget_failure(unit: &str) -> Result<()> {
    systemctl("forget a failure")?.args(["reset-failed", unit]).output().map(drop)
}

/// Whether it has failed and waits to be started again, though systemd calls it `activating`.
pub fn is_down_for_now(unit: &str) -> Result<bool> {
    Ok(show(unit, &["SubState"])?.remove("SubState").as_deref() == Some("auto-restart"))
}

/// `active`, `activating`, `failed`, `inactive` and so on; what is not there is `inactive`.
pub fn state(unit: &str) -> Result<String> {
    Ok(show(unit, &["ActiveState"])?.remove("ActiveState").unwrap_or_else(|| "inactive".into()))
}

pub fn is_active(unit: &str) -> Result<bool> {
    Ok(matches!(state(unit)?.as_str(), "active" | "activating" | "reloading"))
}

fn show(unit: &str, properties: &[&str]) -> Result<HashMap<String, String>> {
    let printed =
        systemctl("ask for a service")?.args(["show", unit, &format!("--property={}", properties.join(","))]).read()?;
    let pairs = printed.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The last lines of a unit's log.
pub fn tail(unit: &str, lines: usize) -> String {
    let journal = program::new("journalctl", "read the log").map(|journalctl| {
        journalctl.args(["--no-pager", "--output=cat", &format!("--lines={lines}"), &format!("--unit={unit}")])
    });
    journal.and_then(Program::read).unwrap_or_default()
}

/// Puts journalctl in this program's place.
pub fn logs(service: Option<&str>, follow: bool) -> Result<()> {
    let all: Vec<&str> =
        [services::BOOTSTRAP, services::ENROLMENT, services::RENEWAL].into_iter().chain(services::NAMES).collect();
    let chosen = match service {
        None => all,
        Some(name) => {
            let matches = |unit: &&&str| **unit == name || unit.strip_suffix(".service") == Some(name);
            let alias = match name {
                "bring-up" | "first-boot" => Some(services::BOOTSTRAP),
                "enrolment" => Some(services::ENROLMENT),
                "renewal" => Some(services::RENEWAL),
                _ => None,
            };
            match alias.or_else(|| all.iter().find(matches).copied()) {
                Some(unit) => vec![unit],
                None => bail!(
                    "there is no service {name:?}: there are bring-up, enrolment, renewal, {}",
                    services::NAMES.join(", ")
                ),
            }
        }
    };
    let mut journalctl = Command::new("journalctl");
    journalctl.arg("--boot");
    for unit in chosen {
        journalctl.arg(format!("--unit={unit}"));
    }
    if follow {
        journalctl.arg("--follow");
    }
    let error = journalctl.exec();
    bail!("journalctl is required to show the logs, and it cannot be run: {error}")
}
