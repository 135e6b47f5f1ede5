//! Chains kept as they are desired: by one change of each table, and looked at without a listing where nobody has changed anything.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use common::{
    errors,
    xtables::{Chain, Family, Generation, Tables, Variant, Watch},
};

use crate::{desired::Desired, program};

/// Chains of one purpose.
pub struct Firewall {
    chains: Vec<Chain>,
    tables: Tables,
    family: Family,
    watch: Option<Watch>,
    /// What the kernel said of the tables when they were read last.
    generation: Option<Generation>,
}

impl Firewall {
    /// Those of one family.
    pub fn new(family: Family, chains: impl Into<Vec<Chain>>) -> Result<Self> {
        let version = program::new(family.program(), "open the firewall for Kubernetes")?.arg("--version").read()?;
        let watch = Watch::new(Variant::of_version(&version), family).ok();
        Ok(Firewall { chains: chains.into(), tables: Tables::find(family)?, family, watch, generation: None })
    }

    /// Chains that are led to come before those that lead to them.
    fn by_table(&self) -> BTreeMap<&'static str, Vec<&Chain>> {
        let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
        self.chains.iter().for_each(|chain| tables.entry(chain.table).or_default().push(chain));
        tables
    }

    fn generation(&self) -> Option<Generation> {
        let tables: Vec<&str> = self.by_table().into_keys().collect();
        self.watch.as_ref()?.generation_of(&tables).ok()
    }
}

/// What is told of a chain before which somebody has put a rule.
const PLACE: &str = "the place of ";

/// What is wrong with a chain, if anything; also where its table cannot be read.
fn wrong_with(chain: &Chain, saved: Option<&str>) -> Option<String> {
    match saved {
        Some(saved) if chain.is_behind(saved) => Some(format!("{PLACE}{}", thing(chain))),
        Some(saved) if chain.making(saved).is_empty() => None,
        _ => Some(thing(chain)),
    }
}

/// Both families have chains of the same names.
fn thing(chain: &Chain) -> String {
    match chain.family {
        Family::V4 => chain.name.to_owned(),
        Family::V6 => format!("{} of {}", chain.name, chain.family.program()),
    }
}

impl Desired for Firewall {
    fn wrong(&mut self) -> Result<Vec<String>> {
        // Before they are read: what changes behind that is seen by the next look.
        self.generation = self.generation();
        let mut wrong = Vec::new();
        for (table, chains) in self.by_table() {
            // Why it cannot be read, the repair says, when the other tables are done.
            let saved = self.family.save(table).ok();
            wrong.extend(chains.into_iter().filter_map(|chain| wrong_with(chain, saved.as_deref())));
        }
        Ok(wrong)
    }

    fn repair(&mut self, things: &[String]) -> Result<()> {
        let is_named = |chain: &&Chain| {
            let name = thing(chain);
            things.iter().any(|thing| thing.strip_prefix(PLACE).unwrap_or(thing) == name)
        };
        // A table that this kernel has not, or that somebody holds, keeps none of the others from being made.
        errors::all(self.by_table().into_iter().map(|(table, chains)| {
            let chains: Vec<&Chain> = chains.into_iter().filter(is_named).collect();
            if chains.is_empty() {
                return Ok(());
            }
            let make = || {
                let saved = self.family.save(table)?;
                let lines: String = chains.iter().map(|chain| chain.making(&saved)).collect();
                self.tables.change(table, &lines)
            };
            make().with_context(|| format!("the table {table} is not as it has to be"))
        }))
    }

    fn is_usual(&self, thing: &str) -> bool {
        thing.starts_with(PLACE)
    }

    /// A question to the kernel, and no listing of the tables.
    fn may_have_changed(&mut self) -> bool {
        self.generation.is_none() || self.generation() != self.generation
    }
}

/// Takes these chains away.
pub fn remove(chains: impl IntoIterator<Item = Chain>) -> Result<()> {
    errors::all(
        chains
            .into_iter()
            .map(|chain| chain.remove().with_context(|| format!("cannot remove the chain {}", thing(&chain)))),
    )
}
