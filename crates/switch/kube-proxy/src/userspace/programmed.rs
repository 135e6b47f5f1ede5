//! What stands in the kernel: written in one iptables-restore, read back, and compared with later.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
};

use tracing::info;

use super::chains::{Chain, UserspaceJump};
use crate::iptables::{self, Generation, Save, Table, Tool, Undisturbed, written_aside};
use crate::options::ProxyMode;

/// The rules of a chain in a few bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    rules: usize,
    hash: u64,
}

impl Digest {
    fn add(&mut self, rule: &str) {
        let mut hasher = DefaultHasher::new();
        (self.hash, rule).hash(&mut hasher);
        self.hash = hasher.finish();
        self.rules += 1;
    }
}

pub type Digests = BTreeMap<Chain, Digest>;

/// Where rules come from: each is handed over with its chain.
pub type Render<'a> = dyn Fn(&mut dyn FnMut(Chain, &str)) + 'a;

/// Every chain of `render`, also the empty ones.
fn digests(render: &Render<'_>) -> Digests {
    let mut digests: Digests = Chain::ALL.into_iter().map(|chain| (chain, Digest::default())).collect();
    render(&mut |chain, rule| digests.entry(chain).or_default().add(rule));
    digests
}

/// What the kernel has of ours.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    chains: Digests,
    /// Jumps that are desired and there, by their place among those that are desired.
    jumps: Vec<usize>,
    /// Other rules that lead to our chains, of an earlier run or of an upstream kube-proxy.
    strays: Vec<(Table, String)>,
}

/// The keeper of the rules.
pub struct Programmed {
    tool: Tool,
    jumps: Vec<UserspaceJump>,
    /// As rendered; empty where it is not known what stands in the kernel.
    desired: Digests,
    /// As iptables-save prints it; versions differ in how they spell a rule.
    saved: Digests,
    /// Nobody can have put something else in the place of a rule before that was read.
    proven: bool,
    undisturbed: Undisturbed,
    /// Nobody else's rules for Services are left.
    alone: bool,
}

impl Programmed {
    pub fn new(tool: Tool, jumps: Vec<UserspaceJump>) -> Self {
        let undisturbed = Undisturbed::new(tool.variant(), &Table::ALL);
        Self { tool, jumps, desired: Digests::new(), saved: Digests::new(), proven: false, undisturbed, alone: false }
    }

    /// Writes the chains that are not as they were rendered last; returns whether there were any. Then takes away the rules of other
    /// ways to proxy, so that there is no moment without any.
    pub fn follow(&mut self, render: &Render<'_>) -> Result<bool, iptables::IptablesError> {
        let desired = digests(render);
        let differs = desired != self.desired;
        if differs {
            let (look, found) = match self.desired.is_empty() {
                true => (self.undisturbed.look(), self.read()?),
                false => (self.undisturbed.stood(), self.as_expected()),
            };
            let before = std::mem::take(&mut self.desired);
            self.write(render, desired, (look, &found), &|chain, now| before.get(&chain) != Some(now))?;
        }
        if !self.alone {
            let here = iptables::remove(&self.tool, &[ProxyMode::Iptables])?;
            if here {
                self.undisturbed.forget();
            }
            if iptables::remove_from_other_variant(&self.tool)? || here {
                info!("removed a kube-proxy's rules of another mode");
            }
            self.alone = true;
        }
        Ok(differs)
    }

    /// How many rules all chains of `table` have.
    pub fn rules(&self, table: Table) -> usize {
        self.saved.iter().filter(|(chain, _)| chain.table() == table).map(|(_, digest)| digest.rules).sum()
    }

    /// Whether nobody has changed the tables, as far as one look at the kernel can tell; without one, the next full check will.
    pub fn is_undisturbed(&self) -> bool {
        !self.undisturbed.can_tell() || self.undisturbed.holds()
    }

    /// Reads everything, and writes all of it again if anything of ours is not as it was; returns whether it was not.
    pub fn repair(&mut self, render: &Render<'_>) -> Result<bool, iptables::IptablesError> {
        let look = self.undisturbed.look();
        let found = self.read()?;
        if !self.desired.is_empty() && found == self.as_expected() && self.is_proven(render)? {
            self.undisturbed.stood_at(look);
            return Ok(false);
        }
        self.write(render, digests(render), (look, &found), &|_, _| true)?;
        Ok(true)
    }

    /// Whether what was read after the last write is what was written: where looks do not count what others do, it is written once more aside,
    /// and what is printed there is compared.
    fn is_proven(&mut self, render: &Render<'_>) -> Result<bool, iptables::IptablesError> {
        if !self.proven {
            let write = &mut |out: &mut dyn Write| {
                for table in Table::ALL {
                    writeln!(out, "*{table}")?;
                    write_chains(table, &Chain::ALL, render, out)?;
                    writeln!(out, "COMMIT")?;
                }
                Ok(())
            };
            let printed = written_aside(&self.tool, write, |save| self.read_by(save))?;
            self.proven = printed.is_none_or(|printed| printed.chains == self.saved);
        }
        Ok(self.proven)
    }

    fn as_expected(&self) -> Found {
        Found { chains: self.saved.clone(), jumps: (0..self.jumps.len()).collect(), strays: Vec::new() }
    }

    fn read(&self) -> Result<Found, iptables::IptablesError> {
        self.read_by(&mut |table, line| self.tool.save(table, line))
    }

    fn read_by(&self, save: &mut Save<'_>) -> Result<Found, iptables::IptablesError> {
        let mut found = Found::default();
        for table in Table::ALL {
            save(table, &mut |line| self.note(table, line, &mut found))?;
        }
        found.jumps.sort_unstable();
        Ok(found)
    }

    fn note(&self, table: Table, line: &str, found: &mut Found) {
        if let Some(chain) = line.strip_prefix(':').and_then(|rest| rest.split(' ').next()).and_then(Chain::of_name) {
            found.chains.entry(chain).or_default();
        }
        let Some(rule) = line.strip_prefix("-A ") else { return };
        let (chain, rest) = rule.split_once(' ').unwrap_or((rule, ""));
        if let Some(chain) = Chain::of_name(chain) {
            found.chains.entry(chain).or_default().add(rest);
        } else if let Some(place) = self.jumps.iter().position(|jump| jump.table == table && jump.rule == rule) {
            if found.jumps.contains(&place) {
                found.strays.push((table, rule.to_owned()));
            } else {
                found.jumps.push(place);
            }
        } else if rest.rsplit_once("-j ").is_some_and(|(_, target)| Chain::of_name(target).is_some()) {
            found.strays.push((table, rule.to_owned()));
        }
    }

    /// Writes the chains that `changed` names, makes the jumps that were not `found` after a look, takes its strays away, and reads back what
    /// came of it.
    fn write(
        &mut self,
        render: &Render<'_>,
        desired: Digests,
        (look, found): (Option<Generation>, &Found),
        changed: &dyn Fn(Chain, &Digest) -> bool,
    ) -> Result<(), iptables::IptablesError> {
        // Whatever happens from here on, only a look can tell what stands there.
        self.desired.clear();
        self.undisturbed.forget();
        let changed: Vec<Chain> =
            desired.iter().filter(|(chain, digest)| changed(**chain, digest)).map(|(&chain, _)| chain).collect();
        let missing: Vec<&UserspaceJump> =
            self.jumps.iter().enumerate().filter(|(at, _)| !found.jumps.contains(at)).map(|(_, jump)| jump).collect();
        let has_something = |table: Table| {
            changed.iter().any(|chain| chain.table() == table)
                || missing.iter().any(|jump| jump.table == table)
                || found.strays.iter().any(|stray| stray.0 == table)
        };
        let tables: Vec<Table> = Table::ALL.into_iter().filter(|table| has_something(*table)).collect();
        self.tool.restore(&mut |out| {
            for &table in &tables {
                writeln!(out, "*{table}")?;
                write_chains(table, &changed, render, out)?;
                for (_, stray) in found.strays.iter().filter(|stray| stray.0 == table) {
                    writeln!(out, "-D {stray}")?;
                }
                for jump in missing.iter().filter(|jump| jump.table == table) {
                    writeln!(out, "{} {}", if jump.last { "-A" } else { "-I" }, jump.rule)?;
                }
                writeln!(out, "COMMIT")?;
            }
            Ok(())
        })?;
        let written = self.undisturbed.look();
        let Found { chains, jumps, strays } = self.read()?;
        let commits = u32::try_from(tables.len()).unwrap_or(u32::MAX);
        let whole = self.undisturbed.is_all_ours(look, commits, written)
            && strays.is_empty()
            && jumps.len() == self.jumps.len()
            && desired.iter().all(|(chain, digest)| chains.get(chain).is_some_and(|saved| saved.rules == digest.rules));
        self.saved = chains;
        // Otherwise someone else was at it meanwhile: the next look writes it all again.
        if whole {
            self.desired = desired;
            self.proven = self.undisturbed.is_exact();
            self.undisturbed.stood_at(written);
        }
        Ok(())
    }
}

/// The chains of `table` among `chains`, with their rules and nothing else.
fn write_chains(table: Table, chains: &[Chain], render: &Render<'_>, out: &mut dyn Write) -> io::Result<()> {
    let chains: Vec<Chain> = chains.iter().copied().filter(|chain| chain.table() == table).collect();
    chains.iter().try_for_each(|chain| writeln!(out, ":{} - [0:0]", chain.name()))?;
    let mut written = Ok(());
    render(&mut |chain, rule| {
        if written.is_ok() && chains.contains(&chain) {
            written = writeln!(out, "-A {} {rule}", chain.name());
        }
    });
    written
}
