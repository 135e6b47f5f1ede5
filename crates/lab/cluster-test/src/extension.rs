//! The operator's part: what goes onto a switch's flash, `extension`, and `boot-extensions`.

use std::path::Path;

use crate::Switch;
use anyhow::{Context, Result, ensure};

const DIRECTORY: &str = "/mnt/flash/.extensions";
const LISTED: &str = "/mnt/flash/boot-extensions";

/// Our package, as rpm knows it.
const PACKAGE: &str = "kubernetes-on-eos";

/// What a SWIX is called on a switch.
pub fn name(swix: &Path) -> Result<String> {
    let name = swix.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} has no name", swix.display()))
}

/// `copy … extension:NAME`.
pub fn copy_in(switch: &Switch, swix: &Path, name: &str) -> Result<()> {
    switch.sh(&format!("mkdir -p {DIRECTORY}"))?;
    switch.copy_in(swix, &format!("{DIRECTORY}/{name}"))
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

/// Fails where `show extensions` does not have it as installed.
pub fn check_is_listed(switch: &Switch, name: &str) -> Result<()> {
    let listed = switch.cli("show extensions")?;
    ensure!(is_installed(&listed, name), "{} does not list {name} as installed:\n{listed}", switch.name());
    Ok(())
}

/// Whether EOS' table has it with the letter I. A long name may be on a line of its own.
fn is_installed(listed: &str, name: &str) -> bool {
    let mut words = listed.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.by_ref().any(|word| word == name) && words.find(|word| ["I", "NI"].contains(word)) == Some("I")
}

/// `1.20.2-1.g0123456789ab.dfedcba987654`, of our package on a switch.
pub fn version(switch: &Switch) -> Result<String> {
    let printed = switch.exec_ok(["rpm", "--query", "--queryformat", "%{VERSION}-%{RELEASE}", PACKAGE])?;
    Ok(printed.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_that_is_only_available_is_not_installed() {
        let listed = "Name              Version/Release      Status      Extension
----------------- -------------------- ----------- ---------
other.swix        -                    A, NI       1
ours.swix         1.20.2/1             A, I        1

A: available | NA: not available | I: installed | NI: not installed | F: forced
";
        assert!(is_installed(listed, "ours.swix"));
        assert!(!is_installed(listed, "other.swix"));
        assert!(!is_installed(listed, "swix"));
    }
}
