//! What only passes through this node is not tracked by conntrack. A switch is a router: of a connection whose answers take another path
//! it sees one half, and conntrack, made for hosts, takes that for invalid; and connections of others fill conntrack's table.
//!
//! 1. [`rules`] says, as a pure function, what is tracked all the same: what comes from this node's pods, or is for them, for this node
//!    itself, for a container of Docker's ([`docker`]) or for an address of a Service. The rest gets `CT --notrack`, in a chain of the
//!    table `raw`.
//! 2. [`others`] looks for rules of somebody else's that need every connection tracked. Where there are any, nothing is left out.
//! 3. [`Transit`] keeps the [`chain`] as it is desired, beside whichever backend there is ([`BesideTransit`]).

mod chain;
mod docker;
mod others;
mod rules;

use std::collections::BTreeSet;
use std::io::Write;

use tracing::{info, warn};

use crate::backend::{Backend, RuleCounts, SyncError};
use crate::iptables::{Feature, Generation, IptablesError, Table, Tool, Undisturbed, written_aside};
use crate::model::{Model, ServiceName};

pub use rules::Local;

use chain::{CHAIN, Found};

/// The keeper of the chain.
pub struct Transit {
    tool: Tool,
    local: Local,
    /// What this node's pods and Services need tracked, as it was written; `None` where it is not known what stands.
    written: Option<Vec<String>>,
    /// As iptables-save prints what was written: versions differ in how they spell a rule.
    saved: Found,
    /// Nobody can have put something else in the place of a rule before that was read.
    proven: bool,
    undisturbed: Undisturbed,
    /// Somebody else's rule that needs every connection tracked; `None` before the first look.
    needed_by: Option<Option<String>>,
    /// What the kernel answered at the last look for such rules.
    looked: Option<Generation>,
}

impl Transit {
    /// `None` where the kernel or iptables cannot leave connections out.
    pub fn new(tool: Tool, local: Local) -> Option<Self> {
        let features = tool.features();
        if !features.has(Feature::Notrack) || !features.has(Feature::Addrtype) {
            return None;
        }
        let undisturbed = Undisturbed::new(tool.variant(), &[Table::Raw]);
        let (written, saved) = (None, Found::default());
        Some(Self { tool, local, written, saved, proven: false, undisturbed, needed_by: None, looked: None })
    }

    /// Follows the Services' addresses.
    fn follow(&mut self, model: &Model) -> Result<(), IptablesError> {
        if self.needed_by.is_none() {
            self.look_for_others()?;
        }
        let desired = self.desired(model);
        if self.written.as_ref() != Some(&desired) {
            let look = self.undisturbed.look();
            let found = Found::read(&self.tool)?;
            if found == Found::of(&desired) {
                // An earlier run's, and still right.
                (self.written, self.saved, self.proven) = (Some(desired), found, true);
                self.undisturbed.stood_at(look);
            } else {
                self.write(desired, look, &found)?;
            }
        }
        Ok(())
    }

    /// Looks whether the chain still stands, as cheaply as can be, and repairs it.
    fn check(&mut self, model: &Model) -> Result<bool, IptablesError> {
        if !self.undisturbed.can_tell() || self.is_undisturbed() { Ok(false) } else { self.repair(model) }
    }

    /// The same, whatever a cheap look says, and looks for others' rules.
    fn check_fully(&mut self, model: &Model) -> Result<bool, IptablesError> {
        let exact = self.undisturbed.is_exact();
        let nobody_wrote = |look: Option<Generation>| exact && look.is_some() && self.undisturbed.look() == look;
        if nobody_wrote(self.looked) && nobody_wrote(self.undisturbed.stood()) {
            return Ok(false);
        }
        self.look_for_others()?;
        self.repair(model)
    }

    /// Repairs what somebody else has changed; returns whether there was anything.
    fn repair(&mut self, model: &Model) -> Result<bool, IptablesError> {
        let look = self.undisturbed.look();
        let found = Found::read(&self.tool)?;
        let desired = self.desired(model);
        if self.written.as_ref() == Some(&desired) && found == self.saved && self.is_proven(&desired)? {
            self.undisturbed.stood_at(look);
            return Ok(false);
        }
        self.write(desired, look, &found)?;
        Ok(true)
    }

    /// Whether what was read after the last write is what was written: where looks do not count what others do, it is written once more aside,
    /// and what is printed there is compared.
    fn is_proven(&mut self, desired: &[String]) -> Result<bool, IptablesError> {
        if !self.proven {
            let write = &mut |out: &mut dyn Write| {
                writeln!(out, "*{}", Table::Raw)?;
                chain::write(desired, out)?;
                writeln!(out, "COMMIT")
            };
            let printed = written_aside(&self.tool, write, Found::read_by)?;
            self.proven = printed.is_none_or(|printed| printed.rules == self.saved.rules);
        }
        Ok(self.proven)
    }

    fn is_undisturbed(&self) -> bool {
        self.written.is_some() && self.undisturbed.holds()
    }

    /// No rules at all where somebody else needs every connection tracked.
    fn desired(&self, model: &Model) -> Vec<String> {
        if self.needed_by != Some(None) {
            return Vec::new();
        }
        let containers = docker::networks().inspect_err(|error| warn!("cannot ask for this node's addresses: {error}"));
        rules::rules(&self.local, self.tool.features(), &containers.unwrap_or_default(), model)
    }

    fn look_for_others(&mut self) -> Result<(), IptablesError> {
        let looked = self.undisturbed.look();
        let needed_by = others::who_needs_tracking(&self.tool)?;
        if self.needed_by.as_ref() != Some(&needed_by) {
            match &needed_by {
                None => info!("what only passes through this node is not tracked"),
                Some(rule) => warn!("what only passes through this node stays tracked: a rule needs it: {rule}"),
            }
        }
        (self.needed_by, self.looked) = (Some(needed_by), looked);
        Ok(())
    }

    /// Makes the chain, which was `found` so after a look, hold `desired`, in one go, and reads back what came of it.
    fn write(&mut self, desired: Vec<String>, look: Option<Generation>, found: &Found) -> Result<(), IptablesError> {
        // Whatever happens from here on, only a look can tell what stands there.
        self.written = None;
        self.undisturbed.forget();
        if desired.is_empty() {
            found.remove(&self.tool)?;
        } else {
            found.replace(&self.tool, &desired)?;
        }
        let written = self.undisturbed.look();
        self.saved = Found::read(&self.tool)?;
        let leads = usize::from(!desired.is_empty());
        let commits = u32::from(found.chain || !desired.is_empty());
        // Otherwise someone else was at it meanwhile: the next look writes it all again.
        if self.undisturbed.is_all_ours(look, commits, written)
            && self.saved.rules.len() == desired.len()
            && self.saved.leads.len() == leads
        {
            self.proven = desired.is_empty() || self.undisturbed.is_exact();
            self.written = Some(desired);
            self.undisturbed.stood_at(written);
        }
        Ok(())
    }
}

/// Takes the chain away; returns whether there was one.
pub fn remove(tool: &Tool) -> Result<bool, IptablesError> {
    Found::read(tool)?.remove(tool)
}

/// Takes the chain away, if that can be done: Services do not have to wait for it.
pub fn remove_or_warn(tool: &Tool) {
    if let Err(error) = remove(tool) {
        warn!("new addresses of Services may not be served until {CHAIN} can be removed: {error}");
    }
}

/// A backend, with [`Transit`] kept beside it.
pub struct BesideTransit {
    transit: Transit,
    backend: Box<dyn Backend>,
    failed: bool,
}

impl BesideTransit {
    pub fn new(transit: Transit, backend: Box<dyn Backend>) -> Self {
        Self { transit, backend, failed: false }
    }

    /// Services do not have to wait for what leaves transit untracked: where that fails, all is tracked, as far as can be.
    fn or_track(&mut self, done: Result<bool, IptablesError>) -> Result<bool, SyncError> {
        match done {
            Ok(repaired) => {
                self.failed = false;
                Ok(repaired)
            }
            Err(error) if error.is_locked() => Err(SyncError(error.to_string())),
            Err(error) => {
                if !self.failed {
                    warn!("what only passes through this node stays tracked: {error}");
                    remove_or_warn(&self.transit.tool);
                }
                (self.failed, self.transit.written) = (true, None);
                Ok(false)
            }
        }
    }
}

impl Backend for BesideTransit {
    fn name(&self) -> &'static str {
        self.backend.name()
    }

    fn sync(&mut self, model: &Model, touched: &BTreeSet<ServiceName>) -> Result<(), SyncError> {
        // First: what is for a Service's new address has to be tracked when the rules come that translate it.
        let followed = self.transit.follow(model).map(|()| false);
        self.or_track(followed)?;
        self.backend.sync(model, touched)
    }

    fn check(&mut self, model: &Model) -> Result<bool, SyncError> {
        let checked = self.transit.check(model);
        let repaired = self.or_track(checked)?;
        Ok(self.backend.check(model)? || repaired)
    }

    fn check_fully(&mut self, model: &Model) -> Result<bool, SyncError> {
        let checked = self.transit.check_fully(model);
        let repaired = self.or_track(checked)?;
        Ok(self.backend.check_fully(model)? || repaired)
    }

    fn rules(&self) -> RuleCounts {
        self.backend.rules()
    }
}
