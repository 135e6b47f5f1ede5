//! The operator's part: what goes onto a switch's flash, `extension`, and `boot-extensions`.

use std::path::Path;

use anyhow::{Context, Result};
use proof::Switch;

const FOLDER: &str = "/mnt/flash/.extensions";
const LISTED: &str = "/mnt/flash/boot-extensions";

/// Our package, as rpm knows it.
const PACKAGE: &str = "kubernetes-on-eos";

/// What a SWIX is called on a switch.
pub fn name(swix: &Path) -> Result<String> {
    let name = swix.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} has no name", swix.display()))
}

/// `copy … extension:`.
pub fn copy_in(switch: &Switch, swix: &Path) -> Result<()> {
    switch.sh(&format!("mkdir -p {FOLDER}"))?;
    switch.copy_in(swix, &format!("{FOLDER}/{}", name(swix)?))
}

/// `extension NAME`.
pub fn install(switch: &Switch, name: &str) -> Result<()> {
    switch.exec_ok(["extension", name]).map(drop)
}

/// `no extension NAME`.
pub fn remove(switch: &Switch, name: &str) -> Result<()> {
    switch.exec_ok(["extension", "--remove", name]).map(drop)
}

/// What is installed at every boot from now on: what `copy installed-extensions boot-extensions` does.
pub fn boot_with(switch: &Switch, names: &[&str]) -> Result<()> {
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    switch.exec_ok(["sh", "-euc", &format!("printf %s \"$1\" >{LISTED} && sync"), "sh", &lines]).map(drop)
}

/// The SWIX that a switch boots with.
pub fn booted_with(switch: &Switch) -> Result<String> {
    let listed = switch.exec_ok(["cat", LISTED])?;
    let name = listed.lines().next().with_context(|| format!("{} boots with no extension", switch.name()))?;
    Ok(name.to_owned())
}

/// `1.20.2-1`, of our package on a switch.
pub fn version(switch: &Switch) -> Result<String> {
    let printed = switch.exec_ok(["rpm", "--query", "--queryformat", "%{VERSION}-%{RELEASE}", PACKAGE])?;
    Ok(printed.trim().to_owned())
}
