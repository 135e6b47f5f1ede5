//! The operator's part, as EOS has it: what goes onto a switch's flash, and the commands about extensions. They are the command
//! line's, and no programs of a shell.

use std::path::Path;

use crate::Switch;
use anyhow::{Context, Result, ensure};

/// Where EOS keeps what it calls `extension:`.
const DIRECTORY: &str = "/mnt/flash/.extensions";

/// Our package, as rpm knows it.
const PACKAGE: &str = "kubernetes-on-eos";

/// What a SWIX is called on a switch.
pub fn name(swix: &Path) -> Result<String> {
    let name = swix.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} has no name", swix.display()))
}

/// Where a file of that name is below /mnt/flash, once it is in `extension:`.
pub fn on_flash(name: &str) -> String {
    Path::new(DIRECTORY.trim_start_matches("/mnt/flash/")).join(name).display().to_string()
}

/// `copy scp://… extension:NAME`, of a switch that has no way to this machine.
pub fn copy_in(switch: &Switch, swix: &Path, name: &str) -> Result<()> {
    let by_way = format!("/tmp/{name}");
    switch.copy_in(swix, &by_way)?;
    say(switch, &format!("copy file:{by_way} extension:"))?;
    switch.exec_ok(["rm", &by_way]).map(drop)
}

pub fn install(switch: &Switch, name: &str) -> Result<()> {
    say(switch, &format!("extension {name}")).map(drop)
}

pub fn remove(switch: &Switch, name: &str) -> Result<()> {
    say(switch, &format!("no extension {name}")).map(drop)
}

/// What is installed now is installed at every boot from now on: exactly these.
pub fn boot_with(switch: &Switch, names: &[&str]) -> Result<()> {
    say(switch, "copy installed-extensions boot-extensions")?;
    let listed = listed(switch)?;
    ensure!(listed == names, "{} boots with {listed:?}, and not with {names:?}", switch.name());
    switch.exec_ok(["sync"]).map(drop)
}

/// The SWIX that a switch boots with.
pub fn booted_with(switch: &Switch) -> Result<String> {
    let first = listed(switch)?.into_iter().next();
    first.with_context(|| format!("{} boots with no extension", switch.name()))
}

fn listed(switch: &Switch) -> Result<Vec<String>> {
    let printed = say(switch, "show boot-extensions")?;
    Ok(printed.split_whitespace().map(str::to_owned).collect())
}

/// EOS says what is wrong on a line of its own, and ends well all the same.
fn say(switch: &Switch, command: &str) -> Result<String> {
    let printed = switch.cli(command)?;
    let refusal = printed.lines().find(|line| line.starts_with('%'));
    ensure!(refusal.is_none(), "{} does not take `{command}`: {}", switch.name(), refusal.unwrap_or_default());
    Ok(printed)
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
other.swix        -                    A, NI, NS   1
ours.swix         1.20.2/1             A, I, S, B  1

A: available | NA: not available | I: installed | NI: not installed | F: forced
";
        assert!(is_installed(listed, "ours.swix"));
        assert!(!is_installed(listed, "other.swix"));
        assert!(!is_installed(listed, "swix"));
    }
}
