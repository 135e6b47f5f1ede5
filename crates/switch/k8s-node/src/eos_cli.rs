//! EOS' command line, as programs of root call it: without asking AAA for each command, in the default VRF, and never for long.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};
use common::command::Program;

use crate::program;

/// EOS' agents answer late while the switch is busy; a command line that waits for itself never does.
pub const LIMIT: Duration = Duration::from_secs(20);

const CLI: [&str; 5] = ["FastCli", "-p", "15", "-A", "-c"];
/// Where EOS has a name for the default network namespace, its command line has to be in it.
const NAMED_DEFAULT: &str = "/var/run/netns/default";
const IN_DEFAULT: [&str; 4] = ["ip", "netns", "exec", "default"];

/// The words of a call that carries out these lines.
pub fn call(lines: &str) -> Vec<String> {
    call_in(Path::new(NAMED_DEFAULT).exists(), lines)
}

fn call_in(named: bool, lines: &str) -> Vec<String> {
    let within = if named { IN_DEFAULT.as_slice() } else { &[] };
    within.iter().chain(&CLI).map(|word| (*word).to_owned()).chain([lines.to_owned()]).collect()
}

/// As lines of the configuration, from the mode `enable`.
pub fn configuring(line: &str) -> String {
    format!("enable\nconfigure\n{line}")
}

/// Puts a line into the running configuration; the startup configuration is nobody's but the operator's.
pub fn configure(purpose: &str, line: &str) -> Result<()> {
    run(purpose, line, &configuring(line)).map(drop)
}

/// What a command shows.
pub fn show(purpose: &str, command: &str) -> Result<String> {
    run(purpose, command, &format!("enable\n{command}"))
}

fn run(purpose: &str, line: &str, lines: &str) -> Result<String> {
    let words = call(lines);
    let (name, arguments) =
        words.split_first().map_or(("FastCli", [].as_slice()), |(name, rest)| (name.as_str(), rest));
    answer(program::new(name, purpose)?.limit(LIMIT).args(arguments), line)
}

/// EOS' command line says what is wrong with a `%` in front, and ends well all the same.
fn answer(mut program: Program, line: &str) -> Result<String> {
    let output = program.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let refused: Vec<&str> = text.lines().chain(said.lines()).filter(|line| line.starts_with('%')).collect();
    if !refused.is_empty() {
        bail!("EOS does not take `{line}`: {}", refused.join("; "));
    }
    if !output.status.success() {
        bail!(
            "EOS does not take `{line}`: its command line ended with {}: {}{}",
            output.status,
            text.trim(),
            said.trim()
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_called_without_aaa_and_in_the_default_vrf_where_that_has_a_name() {
        assert_eq!(call_in(false, "x"), ["FastCli", "-p", "15", "-A", "-c", "x"]);
        assert_eq!(call_in(true, "x")[..5], ["ip", "netns", "exec", "default", "FastCli"]);
        assert_eq!(configuring("ip route 10.0.0.0/24 1.1.1.1"), "enable\nconfigure\nip route 10.0.0.0/24 1.1.1.1");
        assert!(LIMIT <= Duration::from_secs(20));
    }

    #[test]
    fn everything_that_was_refused_is_told_whether_it_ends_well_or_not() {
        let told = |script: &str| {
            let shell = program::new("sh", "test").unwrap().args(["-c", script]);
            format!("{:#}", answer(shell, "ip route x").unwrap_err())
        };
        let both = told("echo '% Invalid input'; echo '% Authorization denied' >&2");
        assert_eq!(both, "EOS does not take `ip route x`: % Invalid input; % Authorization denied");
        assert!(told("echo no agent >&2; exit 3").ends_with("exit status: 3: no agent"));
    }
}
