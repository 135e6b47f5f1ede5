//! Programs of EOS that ours run.

use common::command::find_on_path;

use super::Finding;
use crate::program;

/// Each with what is not done without it.
const PROGRAMS: [(&str, &str); 4] = [
    ("iptables-restore", "kube-proxy writes no Services"),
    ("iptables-save", "kube-proxy does not know what it has written"),
    ("ip", "no addresses and routes are seen to"),
    ("mount", "no programs are mounted"),
];

pub fn look() -> Vec<Finding> {
    let missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(name, _)| find_on_path(name).is_none())
        .map(|(name, then)| format!("{name} is not there, and so {then}"))
        .collect();
    let programs = match missing.is_empty() {
        true => Finding::good("programs", PROGRAMS.map(|(name, _)| name).join(", ")),
        false => Finding::problem("programs", format!("{}: is this a whole EOS?", missing.join("; "))),
    };
    vec![iptables(), programs]
}

fn iptables() -> Finding {
    // Its options are read in order, so that neither table is touched.
    let asked = |words: &[&str]| program::new("iptables", "ask for its version")?.args(words).output();
    let Ok(version) = asked(&["--version"]) else {
        return Finding::problem("iptables", "there is none: no Services and no firewall of ours");
    };
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let waits = asked(&["-w", "--help"]).is_ok_and(|help| help.status.success());
    let waits =
        if waits { "waits for others (-w)" } else { "knows no -w, so that it does not wait for others by itself" };
    Finding::good("iptables", format!("{version}, {waits}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    #[test]
    #[ignore = "needs iptables"]
    fn the_iptables_of_this_machine_waits_for_others() {
        let found = iptables();
        assert_eq!(found.verdict, Verdict::Good);
        assert!(found.said.contains(" v1.") && found.said.ends_with("waits for others (-w)"), "{found:?}");
    }
}
