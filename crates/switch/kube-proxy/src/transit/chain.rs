//! The chain in the table `raw`, and the rule that leads to it: read, replaced and removed.

use std::io::{self, Write};

use crate::iptables::{IptablesError, Line, Save, Table, Tool, has_table, is_aside, target};

/// In the table `raw`.
pub const CHAIN: &str = "KUBE-TRANSIT";

/// What of it is in the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub chain: bool,
    pub rules: Vec<String>,
    /// Rules that lead to the chain, with the chain that they stand in.
    pub leads: Vec<String>,
    /// Chains that were written aside.
    left: Vec<String>,
}

impl Found {
    /// What iptables-save prints of these rules, if it spells them as they are here.
    pub fn of(rules: &[String]) -> Self {
        let some = !rules.is_empty();
        Self { chain: some, rules: rules.to_vec(), leads: some.then(lead).into_iter().collect(), left: Vec::new() }
    }

    pub fn read(tool: &Tool) -> Result<Self, IptablesError> {
        if has_table(tool, Table::Raw) {
            Self::read_by(&mut |table, line| tool.save(table, line))
        } else {
            Ok(Self::default())
        }
    }

    pub fn read_by(save: &mut Save<'_>) -> Result<Self, IptablesError> {
        let mut found = Self::default();
        save(Table::Raw, &mut |line| match Line::parse(line) {
            Some(Line::Chain { name: CHAIN, .. }) => found.chain = true,
            Some(Line::Chain { name, .. }) if is_aside(name) => found.left.push(name.to_owned()),
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
            writeln!(out, "*{}", Table::Raw)?;
            write(rules, out)?;
            self.write_removal(out)?;
            writeln!(out, "-A {}\nCOMMIT", lead())
        })
    }

    /// Takes the chain away; returns whether there was one.
    pub fn remove(&self, tool: &Tool) -> Result<bool, IptablesError> {
        if !self.chain && self.left.is_empty() {
            return Ok(false);
        }
        tool.restore(&mut |out| {
            writeln!(out, "*{}", Table::Raw)?;
            write(&[], out)?;
            self.write_removal(out)?;
            writeln!(out, "-X {CHAIN}\nCOMMIT")
        })?;
        Ok(true)
    }

    /// Takes away what leads to the chain, and what an end in the middle of a proof has left.
    fn write_removal(&self, out: &mut dyn Write) -> io::Result<()> {
        self.leads.iter().try_for_each(|lead| writeln!(out, "-D {lead}"))?;
        self.left.iter().try_for_each(|chain| writeln!(out, ":{chain} - [0:0]\n-X {chain}"))
    }
}

/// The chain and its rules, as in the table's part of what iptables-restore reads.
pub fn write(rules: &[String], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, ":{CHAIN} - [0:0]")?;
    rules.iter().try_for_each(|rule| writeln!(out, "-A {CHAIN} {rule}"))
}

/// It comes behind the rules of others, who may have reasons of their own to track or not to.
fn lead() -> String {
    format!("PREROUTING -j {CHAIN}")
}
