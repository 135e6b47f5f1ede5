//! systemd, through systemctl and journalctl as EOS has them.

use std::{collections::HashMap, os::unix::process::CommandExt, process::Command};

use anyhow::{Context, Result, bail};
use common::command::Program;
use contract::services;

use crate::program;

fn systemctl(purpose: &str) -> Result<Program> {
    program::new("systemctl", purpose)
}

pub fn daemon_reload() -> Result<()> {
    systemctl("read the units again")?.arg("daemon-reload").read().map(drop)
}

/// The version that there is: 219, say.
pub fn version() -> Result<u32> {
    let printed = systemctl("ask for systemd's version")?.arg("--version").read()?;
    let first = printed.lines().next().unwrap_or_default();
    number(first).with_context(|| format!("systemctl --version has no version in its first line: {first:?}"))
}

/// `systemd 219`, or `systemd 252 (252.39-1~deb12u2)`.
fn number(line: &str) -> Option<u32> {
    let word = line.strip_prefix("systemd ")?.split_whitespace().next()?;
    word.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Starts a unit and does not wait for it to be up.
pub fn start(unit: &str) -> Result<()> {
    systemctl("start a service")?.args(["--no-block", "start", unit]).read().map(drop)
}

pub fn restart(unit: &str) -> Result<()> {
    systemctl("restart a service")?.args(["--no-block", "restart", unit]).read().map(drop)
}

/// The same, and waits until the old one has ended and the new one is started.
pub fn restart_and_wait(unit: &str) -> Result<()> {
    systemctl("restart a service")?.args(["restart", unit]).read().map(drop)
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

/// The same of several at once.
pub fn states(units: &[&str]) -> Result<Vec<(String, String)>> {
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let printed = systemctl("ask for services")?.arg("show").args(units).arg("--property=Id,ActiveState").read()?;
    let value = |block: &str, name: &str| block.lines().find_map(|line| Some(line.strip_prefix(name)?.to_owned()));
    let pair = |block: &str| Some((value(block, "Id=")?, value(block, "ActiveState=")?));
    Ok(printed.split("\n\n").filter_map(pair).collect())
}

/// Whether systemd has such a unit, whatever its state.
pub fn is_there(unit: &str) -> Result<bool> {
    Ok(show(unit, &["LoadState"])?.remove("LoadState").is_some_and(|state| state != "not-found"))
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
        [services::BOOTSTRAP, services::RECONCILER, services::ENROLMENT, services::RENEWAL, services::SNAPSHOT]
            .into_iter()
            .chain(services::NAMES)
            .collect();
    let chosen = match service {
        None => all,
        Some(name) => {
            let matches = |unit: &&&str| **unit == name || unit.strip_suffix(".service") == Some(name);
            let alias = match name {
                "bring-up" | "first-boot" => Some(services::BOOTSTRAP),
                "reconciler" => Some(services::RECONCILER),
                "enrolment" => Some(services::ENROLMENT),
                "renewal" => Some(services::RENEWAL),
                "snapshot" => Some(services::SNAPSHOT),
                _ => None,
            };
            match alias.or_else(|| all.iter().find(matches).copied()) {
                Some(unit) => vec![unit],
                None => bail!(
                    "there is no service {name:?}: there are bring-up, reconciler, enrolment, renewal, snapshot, {}",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_number_whatever_a_distribution_adds() {
        for (line, version) in [
            ("systemd 219", Some(219)),
            ("systemd 252 (252.39-1~deb12u2)", Some(252)),
            ("systemd 256~rc3", Some(256)),
            ("systemctl 219", None),
            ("systemd v219", None),
            ("", None),
        ] {
            assert_eq!(number(line), version, "{line}");
        }
    }
}
