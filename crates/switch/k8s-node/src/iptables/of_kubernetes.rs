//! The chains that kube-proxy, kubelet and our network's CNI plugins have made, taken away. Those of other networks stay.

use std::time::Duration;

use anyhow::{Context, Result};
use common::{
    errors,
    retry::RetryPolicy,
    xtables::{Family, Tables, says_no_table},
};
use contract::services::PACKAGE;

const RESTORE: RetryPolicy = RetryPolicy::times(10, Duration::from_millis(300));

/// kube-proxy's and kubelet's.
const KUBERNETES: &str = "KUBE-";

/// The CNI plugins'. A container has its own, and the rule that leads there says in its comment of which network it is.
const CNI: &str = "CNI-";

/// Those that portmap has for every network together, and makes again where it misses one.
const SHARED: [&str; 4] = ["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"];

/// Of these, the ones whose rules are containers'.
const OF_CONTAINERS: [&str; 2] = ["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SNAT"];

/// Takes away the chains that kube-proxy, kubelet and our network's plugins have made, and every rule that leads to them.
pub fn remove_of_kubernetes() -> Result<()> {
    errors::all(["raw", "mangle", "nat", "filter"].into_iter().map(|table| {
        // Old versions of iptables-restore cannot wait for whoever else is at it, and what that one has changed is to be seen.
        RESTORE
            .run("iptables-restore", || Ok(remove_from(table)?))
            .with_context(|| format!("cannot remove Kubernetes' chains from the table {table}"))
    }))
}

fn remove_from(table: &str) -> Result<()> {
    let listed = match Family::V4.save(table) {
        Err(error) if table == "raw" && says_no_table(&format!("{error:#}")) => return Ok(()),
        listed => chains_as_listed(&listed?),
    };
    let removal = removal(&listed);
    if removal.is_empty() { Ok(()) } else { Tables::find(Family::V4)?.change_once(table, &removal) }
}

/// Chains that can be removed, as `iptables -S` lists them.
fn chains_as_listed(saved: &str) -> String {
    let line = |line: &str| match line.strip_prefix(':') {
        None => format!("{line}\n"),
        Some(chain) => match chain.split_once(" - ") {
            Some((name, _)) => format!("-N {name}\n"),
            None => String::new(),
        },
    };
    saved.lines().map(line).collect()
}

/// A rule as `iptables -S` lists it.
struct Rule<'a> {
    /// Without the `-A`.
    text: &'a str,
    chain: &'a str,
    target: &'a str,
}

impl<'a> Rule<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let text = line.strip_prefix("-A ")?;
        let first = |words: &'a str| words.split(' ').next().unwrap_or_default();
        let target = text.rsplit_once(" -j ").map_or("", |(_, target)| first(target));
        Some(Rule { text, chain: first(text), target })
    }

    /// As the plugins' comments do: `name: "NETWORK" id: "CONTAINER"`, with something before it or not.
    fn names_our_network(&self) -> bool {
        self.text.contains(&format!(r#"name: \"{PACKAGE}\" id: \""#))
    }
}

/// What takes Kubernetes' chains out of a table that `iptables -S` has listed so, in iptables-restore's language.
fn removal(listed: &str) -> String {
    let chains: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix("-N ")).collect();
    let rules: Vec<Rule<'_>> = listed.lines().filter_map(Rule::read).collect();
    let of_our_network = |chain: &str| {
        let rules = rules.iter().filter(|rule| rule.chain == chain || rule.target == chain);
        chain.starts_with(CNI) && !SHARED.contains(&chain) && rules.into_iter().any(Rule::names_our_network)
    };
    let ours = |chain: &str| chain.starts_with(KUBERNETES) || of_our_network(chain);
    // A rule for another network's container, or a container's own chain that has no such rule.
    let of_others = |rule: &&Rule<'_>| {
        let for_container = OF_CONTAINERS.contains(&rule.chain) && !ours(rule.target);
        let from_others = chains.contains(&rule.chain) && !SHARED.contains(&rule.chain) && !ours(rule.chain);
        for_container || from_others && SHARED.contains(&rule.target)
    };
    let is_shared = rules.iter().any(|rule| of_others(&rule));
    let goes = |chain: &str| ours(chain) || !is_shared && SHARED.contains(&chain);
    // What is shared is not flushed: a rule that another network has got meanwhile makes its removal fail, and this is tried again.
    let leaving = rules.iter().filter(|rule| !ours(rule.chain) && (goes(rule.target) || goes(rule.chain)));
    let deletions = leaving.map(|rule| format!("-D {}\n", rule.text));
    let flushes = chains.iter().filter(|chain| ours(chain)).map(|chain| format!("-F {chain}\n"));
    let removals = chains.iter().filter(|chain| goes(chain)).map(|chain| format!("-X {chain}\n"));
    deletions.chain(flushes).chain(removals).collect()
}

#[cfg(test)]
mod tests;
