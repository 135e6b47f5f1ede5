//! The chain in the table `raw`, and the rule that leads to it: read, replaced and removed.

use crate::iptables::{IptablesError, Line, Table, Tool, has_table, target};

/// In the table `raw`.
pub const CHAIN: &str = "KUBE-TRANSIT";

/// What of it is in the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub chain: bool,
    pub rules: Vec<String>,
    /// Rules that lead to the chain, with the chain that they stand in.
    pub leads: Vec<String>,
}

impl Found {
    /// What iptables-save prints of these rules, if it spells them as they are here.
    pub fn of(rules: &[String]) -> Self {
        let some = !rules.is_empty();
        Self { chain: some, rules: rules.to_vec(), leads: some.then(lead).into_iter().collect() }
    }

    pub fn read(tool: &Tool) -> Result<Self, IptablesError> {
        let mut found = Self::default();
        if !has_table(tool, Table::Raw) {
            return Ok(found);
        }
        tool.save(Table::Raw, &mut |line| match Line::parse(line) {
            Some(Line::Chain { name: CHAIN, .. }) => found.chain = true,
            Some(Line::Rule { chain: CHAIN, words }) => found.rules.push(words.to_owned()),
            Some(Line::Rule { chain, words }) if target(words) == Some(CHAIN) => {
                found.leads.push(format!("{chain} {words}"));
            }
            _ => {}
        })?;
        Ok(found)
    }

    /// Makes the chain hold these rules, in one go.
    pub fn replace(&self, tool: &Tool, rules: &[String]) -> Result<(), IptablesError> {
        tool.restore(&mut |out| {
            writeln!(out, "*{}\n:{CHAIN} - [0:0]", Table::Raw)?;
            self.leads.iter().try_for_each(|lead| writeln!(out, "-D {lead}"))?;
            rules.iter().try_for_each(|rule| writeln!(out, "-A {CHAIN} {rule}"))?;
            writeln!(out, "-A {}\nCOMMIT", lead())
        })
    }

    /// Takes the chain away; returns whether there was one.
    pub fn remove(&self, tool: &Tool) -> Result<bool, IptablesError> {
        if !self.chain {
            return Ok(false);
        }
        tool.restore(&mut |out| {
            writeln!(out, "*{}\n:{CHAIN} - [0:0]", Table::Raw)?;
            self.leads.iter().try_for_each(|lead| writeln!(out, "-D {lead}"))?;
            writeln!(out, "-X {CHAIN}\nCOMMIT")
        })?;
        Ok(true)
    }
}

/// It comes behind the rules of others, who may have reasons of their own to track or not to.
fn lead() -> String {
    format!("PREROUTING -j {CHAIN}")
}
