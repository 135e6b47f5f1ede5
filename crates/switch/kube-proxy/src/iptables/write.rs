//! A plan as `iptables-restore`'s input, streamed: the text is made while it is written, and nowhere as a whole.

use std::collections::HashMap;
use std::io::{self, Write};

use super::hash::{ChainDigest, RuleHash};
use super::layout::{JUMPS, Shared};
use super::render::{self, Lines};
use super::state::Plan;
use super::{IptablesSettings, Table};
use crate::model::Model;

/// What is written, and with what.
pub struct Writer<'a> {
    pub model: &'a Model,
    pub settings: &'a IptablesSettings,
    pub plan: &'a Plan,
    /// Unwanted chains are emptied but stay.
    pub keep_unwanted: bool,
}

impl Writer<'_> {
    /// Writes it all, and returns the hashes of the shared chains that were written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<HashMap<Shared, ChainDigest>> {
        let mut hashes = HashMap::new();
        for table in Table::ALL.into_iter().filter(|&table| self.plan.touches(table)) {
            writeln!(out, "*{table}")?;
            for chain in self.plan.shared.iter().filter(|chain| chain.table() == table) {
                writeln!(out, ":{} - [0:0]", chain.name())?;
            }
            self.unwanted(table, &mut |name| writeln!(out, ":{name} - [0:0]"))?;
            if table == Table::Nat {
                self.services(out)?;
            }
            self.shared(table, &mut hashes, out)?;
            self.jumps(table, out)?;
            self.unwanted(table, &mut |name| {
                let stays = self.keep_unwanted || self.plan.held.contains(&(table, name.to_owned()));
                if stays { Ok(()) } else { writeln!(out, "-X {name}") }
            })?;
            writeln!(out, "COMMIT")?;
        }
        Ok(hashes)
    }

    fn unwanted(&self, table: Table, each: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        if table == Table::Nat {
            self.plan.unwanted.iter().try_for_each(|id| each(&id.to_string()))?;
        }
        self.plan.stale.iter().filter(|(of, _)| *of == table).try_for_each(|(_, name)| each(name))
    }

    /// The chains of each Service: declared first, as they lead to each other.
    fn services(&self, out: &mut dyn Write) -> io::Result<()> {
        for name in &self.plan.services {
            let Some(service) = self.model.service(name) else { continue };
            for port in render::ports(self.model, self.settings, name, service) {
                let mut chains = render::chains(&port);
                chains.retain(|(id, _)| self.plan.chains.contains(id));
                chains.iter().try_for_each(|(id, _)| writeln!(out, ":{id} - [0:0]"))?;
                chains.iter().try_for_each(|(_, rules)| out.write_all(rules.as_bytes()))?;
            }
        }
        Ok(())
    }

    fn shared(&self, table: Table, hashes: &mut HashMap<Shared, ChainDigest>, out: &mut dyn Write) -> io::Result<()> {
        let chains: Vec<Shared> = self.plan.shared.iter().copied().filter(|chain| chain.table() == table).collect();
        let mut running: Vec<(Shared, RuleHash)> = chains.iter().map(|&chain| (chain, RuleHash::default())).collect();
        let mut write = |hash: &mut RuleHash, rules: &str| {
            hash.add(rules);
            out.write_all(rules.as_bytes())
        };
        for (chain, hash) in &mut running {
            write(hash, &render::head_and_tail(self.settings, *chain).0)?;
        }
        if chains.iter().any(|chain| Lines::CHAINS.contains(chain)) {
            for (name, service) in self.model.services() {
                let mut lines = Lines::default();
                for port in render::ports(self.model, self.settings, name, service) {
                    render::lines(&port, &mut lines);
                }
                for (chain, hash) in &mut running {
                    write(hash, lines.in_chain(*chain))?;
                }
            }
        }
        for (chain, hash) in &mut running {
            write(hash, &render::head_and_tail(self.settings, *chain).1)?;
        }
        hashes.extend(running.into_iter().map(|(chain, hash)| (chain, hash.finish())));
        Ok(())
    }

    fn jumps(&self, table: Table, out: &mut dyn Write) -> io::Result<()> {
        for (_, rule) in self.plan.stale_jumps.iter().filter(|(of, _)| *of == table) {
            writeln!(out, "-D {rule}")?;
        }
        for jump in self.plan.jumps.iter().filter_map(|&index| JUMPS.get(index)) {
            if jump.to.table() == table {
                writeln!(out, "-I {} {}", jump.from, render::jump(self.settings, jump))?;
            }
        }
        Ok(())
    }
}
