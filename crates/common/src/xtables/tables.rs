//! iptables' tables, read by iptables-save, which needs no lock, and changed by one iptables-restore at a time: what it is given happens
//! as a whole or not at all, so that no packet meets half of it.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};

use super::{Family, PATIENCE, hold, wait_of};
use crate::{
    command::Program,
    retry::{Failed, RetryPolicy},
};

/// Each of the programs; far longer than tables of thousands of rules take.
const LIMIT: Duration = Duration::from_secs(60);

/// Who did not wait for the lock has changed the table meanwhile; or somebody has the lock for long.
const AGAIN: RetryPolicy = RetryPolicy::times(5, Duration::from_millis(200));

/// How the programs that there are want to be called.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    family: Family,
    wait: &'static [&'static str],
}

impl Family {
    /// As iptables-save prints a table.
    pub fn save(self, table: &str) -> Result<String> {
        let program = format!("{}-save", self.program());
        Program::new(program, "read the firewall")?.args(["-t", table]).limit(LIMIT).read()
    }

    fn restore(self) -> String {
        format!("{}-restore", self.program())
    }
}

impl Tables {
    pub fn find(family: Family) -> Result<Self> {
        let wait = wait_of(Path::new(&family.restore())).context("cannot open the firewall for Kubernetes")?;
        Ok(Tables { family, wait })
    }

    /// Changes a table by lines in iptables-restore's language.
    pub fn change(&self, table: &str, lines: &str) -> Result<()> {
        AGAIN.run(&self.family.restore(), || Ok::<_, Failed>(self.change_once(table, lines)?))
    }

    /// The same, for lines that are right only for the table as it was read.
    pub fn change_once(&self, table: &str, lines: &str) -> Result<()> {
        let _lock = if self.wait.is_empty() {
            let held = hold(PATIENCE).context("cannot take the xtables lock")?;
            Some(held.context("somebody else has had the xtables lock for 5 s")?)
        } else {
            None
        };
        let restore =
            Program::new(self.family.restore(), "change the firewall")?.arg("--noflush").args(self.wait).limit(LIMIT);
        restore.input(&format!("*{table}\n{lines}COMMIT\n"))?.read().map(drop)
    }
}
