//! What Kubernetes needs of a switch and its EOS, looked at before anything starts: what was found, and what to do about it.
//!
//! Nothing is changed, nothing has to be installed and no cluster.toml has to be there: without one, a switch may become both master
//! and worker. What cannot be found out is said, and is neither a problem nor a remark.

mod eos;
mod kernel;
mod resources;
mod tools;

use std::{path::Path, process::ExitCode};

use cluster::Node;
use contract::places;

use crate::{
    storage::{self, Report},
    switch::Switch,
};

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Good,
    /// It works, and somebody should know.
    Remark,
    /// Something of Kubernetes does not work so.
    Problem,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub of: &'static str,
    pub verdict: Verdict,
    /// With what to do, where something is to be done.
    pub said: String,
}

impl Finding {
    fn new(of: &'static str, verdict: Verdict, said: impl Into<String>) -> Finding {
        Finding { of, verdict, said: said.into() }
    }

    fn good(of: &'static str, said: impl Into<String>) -> Finding {
        Finding::new(of, Verdict::Good, said)
    }

    fn remark(of: &'static str, said: impl Into<String>) -> Finding {
        Finding::new(of, Verdict::Remark, said)
    }

    fn problem(of: &'static str, said: impl Into<String>) -> Finding {
        Finding::new(of, Verdict::Problem, said)
    }
}

/// What this switch is to be.
#[derive(Debug, Clone, Copy)]
struct Roles {
    master: bool,
    worker: bool,
}

/// Prints all that there is to say; fails where something of Kubernetes will not work.
pub fn run() -> ExitCode {
    let found = all();
    print!("{}", render(&found));
    match found.iter().map(|finding| finding.verdict).max() {
        Some(Verdict::Problem) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// The same as a text.
pub fn report() -> String {
    render(&all())
}

fn all() -> Vec<Finding> {
    let switch = Switch::load();
    let node = switch.as_ref().ok().map(|switch| &switch.node);
    let mut found = look(node);
    found.push(state(node));
    found.push(match switch {
        Ok(Switch { cluster, node }) => {
            let this = format!("this is {} at {} of {}", node.name, node.address, cluster.name);
            match cluster.network_remark() {
                Some(remark) => Finding::remark("cluster.toml", format!("{this}; {remark}")),
                None => Finding::good("cluster.toml", this),
            }
        }
        Err(_) if !Path::new(places::CLUSTER_TOML).exists() => {
            Finding::good("cluster.toml", "there is none yet: `k8s-node init` writes one")
        }
        Err(error) => Finding::problem("cluster.toml", format!("{error:#}")),
    });
    found
}

/// The status says the same by itself.
fn state(node: Option<&Node>) -> Finding {
    match storage::report(node.is_none_or(|node| node.master)) {
        Ok(Report { problem: Some(why), .. }) => Finding::problem("state", why),
        Ok(Report { remarks, .. }) if remarks.is_empty() => Finding::good("state", storage::of_directory()),
        Ok(Report { remarks, .. }) => Finding::remark("state", remarks.join("; ")),
        Err(error) => Finding::problem("state", format!("{error:#}")),
    }
}

/// Looks at everything; the node is known where there is a cluster.toml that names this switch.
pub fn look(node: Option<&Node>) -> Vec<Finding> {
    let roles =
        node.map_or(Roles { master: true, worker: true }, |node| Roles { master: node.master, worker: node.worker });
    let mut found = eos::look(roles);
    found.extend(kernel::look(roles));
    found.extend(tools::look());
    found.extend(resources::look(roles, node));
    found
}

/// What stands so, a line each.
pub fn said(found: &[Finding], verdict: Verdict) -> Vec<String> {
    let of = found.iter().filter(|finding| finding.verdict == verdict);
    of.map(|finding| format!("preflight: {}: {}", finding.of, finding.said)).collect()
}

fn render(found: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let word = match finding.verdict {
            Verdict::Good => "ok",
            Verdict::Remark => "remark",
            Verdict::Problem => "PROBLEM",
        };
        format!("  {:<8} {:<12} {}\n", word, finding.of, finding.said.replace('\n', "\n                        "))
    };
    let count = |verdict| found.iter().filter(|finding| finding.verdict == verdict).count();
    let lines: String = found.iter().map(line).collect();
    format!("{lines}\n{} problems, {} remarks\n", count(Verdict::Problem), count(Verdict::Remark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_looked_at_and_everything_is_said_once() {
        let found = look(None);
        let mut subjects: Vec<&str> = found.iter().map(|finding| finding.of).collect();
        assert!(found.iter().all(|finding| !finding.said.is_empty()));
        for needed in
            ["EOS", "userland", "signatures", "cgroups", "squashfs", "vxlan", "iptables", "memory", "clock", "flash"]
        {
            assert!(subjects.contains(&needed), "{needed}: {subjects:?}");
        }
        let all = subjects.len();
        subjects.sort_unstable();
        subjects.dedup();
        assert_eq!(subjects.len(), all, "{found:?}");
    }

    #[test]
    fn a_line_says_how_it_stands_and_what_to_do() {
        let found = [
            Finding::good("clock", "2026-11-30"),
            Finding::remark("memory", "little"),
            Finding::problem("cgroups", "no pids: take a newer EOS"),
        ];
        assert_eq!(
            render(&found),
            "  ok       clock        2026-11-30\n  remark   memory       little\n  PROBLEM  cgroups      no pids: take a \
             newer EOS\n\n1 problems, 1 remarks\n"
        );
    }
}
