//! Takes away all rules of a kube-proxy: ours and upstream's. kubelet's, CNI's, Docker's and anybody else's stay.

use std::fs;
use std::io::{self, Write};

use super::layout::{Shared, is_userspace};
use super::saved::{Found, target};
use super::{IptablesError, Table, Tool, Variant};
use crate::options::ProxyMode;
use crate::transit;

/// Removes the rules of `modes`. Returns whether there were any.
///
/// `KUBE-MARK-MASQ` and `KUBE-POSTROUTING`, with the jump to the latter, stay: kubelet makes the same, and would not soon make them again.
/// Without other rules that lead to them they do nothing.
pub fn remove(tool: &Tool, modes: &[ProxyMode]) -> Result<bool, IptablesError> {
    let found = Found::read(tool)?;
    let unwanted = Table::ALL.map(|table| Unwanted::of(table, modes, &found));
    if unwanted.iter().all(Unwanted::is_empty) {
        return Ok(false);
    }
    tool.restore(&mut |out| unwanted.iter().filter(|of| !of.is_empty()).try_for_each(|of| of.write(out)))?;
    Ok(true)
}

/// As [`remove`] with both modes, from this iptables and from the variant that it is not. For `--cleanup`.
pub fn clean_up(tool: &Tool) -> Result<bool, IptablesError> {
    let here = remove_all(tool)?;
    Ok(remove_from_other_variant(tool)? || here)
}

/// What a kube-proxy left in the tables of the variant of iptables that is not used, where packets pass them all the same.
pub fn remove_from_other_variant(tool: &Tool) -> Result<bool, IptablesError> {
    match tool.other_variant() {
        Some(other) => remove_all(&other),
        None => Ok(false),
    }
}

/// The rules for Services, and those that leave connections untracked.
fn remove_all(tool: &Tool) -> Result<bool, IptablesError> {
    let tables = Table::ALL.into_iter().all(|table| has_table(tool, table));
    let services = tables && remove(tool, &[ProxyMode::Iptables, ProxyMode::Userspace])?;
    Ok(transit::remove(tool)? || services)
}

/// Of iptables-legacy, only looking at a table would make it. iptables-nft makes nothing by looking.
pub fn has_table(tool: &Tool, table: Table) -> bool {
    let names = || fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default();
    tool.variant() == Variant::Nft || names().lines().any(|name| name == table.as_str())
}

/// What of one table is to go.
struct Unwanted<'a> {
    table: Table,
    /// Each with whether others lead to it, so that it can only be emptied.
    chains: Vec<(String, bool)>,
    leads: Vec<&'a str>,
}

impl<'a> Unwanted<'a> {
    fn of(table: Table, modes: &[ProxyMode], found: &'a Found) -> Self {
        let of_modes = |name: &str| {
            let kubelets = Shared::find(table, name).is_some_and(Shared::is_kubelets_too);
            let mode = if is_userspace(name) { ProxyMode::Userspace } else { ProxyMode::Iptables };
            modes.contains(&mode) && !kubelets
        };
        let own =
            found.chains.iter().filter(|_| table == Table::Nat).map(|(id, digest)| (id.to_string(), digest.rules));
        let shared = found.shared.iter().filter(|(chain, _)| chain.table() == table);
        let shared = shared.map(|(chain, digest)| (chain.name().to_owned(), digest.rules));
        let stale = found.stale.iter().filter(|((of, _), _)| *of == table);
        let stale = stale.map(|((_, name), rules)| (name.clone(), *rules));
        let chains = own.chain(shared).chain(stale);
        let chains = chains.filter(|(name, rules)| of_modes(name) && !found.can_stay(table, name, *rules));
        let leads = found.leads.iter().filter(|lead| lead.table == table);
        Self {
            table,
            chains: chains
                .map(|(name, _)| {
                    let held = found.is_held(table, &name);
                    (name, held)
                })
                .collect(),
            leads: leads.filter(|lead| target(&lead.rule).is_some_and(of_modes)).map(|lead| &*lead.rule).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.leads.is_empty()
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "*{}", self.table)?;
        self.chains.iter().try_for_each(|(name, _)| writeln!(out, ":{name} - [0:0]"))?;
        self.leads.iter().try_for_each(|rule| writeln!(out, "-D {rule}"))?;
        let removed = self.chains.iter().filter(|(_, held)| !held);
        removed.map(|(name, _)| name).try_for_each(|name| writeln!(out, "-X {name}"))?;
        writeln!(out, "COMMIT")
    }
}
