//! Programs that k8s-node runs: each has a limit of its own, so that one that hangs is named and ended, and what comes behind it
//! has its turn.

use std::time::Duration;

use anyhow::Result;
use common::command::Program;

use crate::eos_cli;

/// Of those that are not in the list.
const USUAL: Duration = Duration::from_secs(60);

/// How long each may take.
const LIMITS: [(&str, Duration); 4] = [
    ("FastCli", eos_cli::LIMIT),
    // Many containers, on a busy switch.
    ("docker", Duration::from_secs(120)),
    ("ip", Duration::from_secs(30)),
    // It waits for a service's end, for which systemd gives it a minute and a half.
    ("systemctl", Duration::from_secs(180)),
];

/// `purpose` completes "cannot …".
pub fn new(name: &str, purpose: &str) -> Result<Program> {
    Ok(Program::new(name, purpose)?.limit(limit(name)))
}

fn limit(name: &str) -> Duration {
    LIMITS.iter().find(|(known, _)| *known == name).map_or(USUAL, |(_, limit)| *limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended_soon_and_named() {
        for name in ["FastCli", "docker", "ip", "iptables", "modprobe", "journalctl", "systemctl"] {
            assert!(limit(name) <= Duration::from_secs(180), "{name}");
        }
        let hanging = new("sleep", "wait").unwrap().arg("60").limit(Duration::from_millis(50));
        let error = format!("{:#}", hanging.read().unwrap_err());
        assert!(error.starts_with("cannot wait: `sleep 60` was ended, as it was not done after 0.05 s"), "{error}");
    }
}
