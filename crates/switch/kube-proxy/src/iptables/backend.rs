//! The backend: keeps what is programmed the same as what is desired, with one `iptables-restore` for each change.

use std::collections::{BTreeSet, HashMap};

use super::hash::ChainDigest;
use super::layout::Shared;
use super::saved::Found;
use super::state::{Plan, Spellings, State};
use super::sysctl::Loopback;
use super::write::Writer;
use super::{IptablesError, IptablesSettings, Table, Tool, Undisturbed, remove_from_other_variant, written_aside};
use crate::backend::{Backend, RuleCounts, SyncError};
use crate::model::{Model, ServiceName};

/// `--proxy-mode iptables`
#[derive(Debug)]
pub struct Iptables {
    tool: Tool,
    settings: IptablesSettings,
    /// `None` where it is not known what is programmed: at the start, and after anything went wrong.
    state: Option<State>,
    spellings: Spellings,
    undisturbed: Undisturbed,
    loopback: Loopback,
    alone: bool,
}

impl Iptables {
    pub fn new(tool: Tool, settings: IptablesSettings) -> Self {
        let spellings = Spellings::default();
        let undisturbed = Undisturbed::new(tool.variant(), &Table::ALL);
        let loopback = Loopback::new(settings.node_ports_at_loopback());
        Self { tool, settings, state: None, spellings, undisturbed, loopback, alone: false }
    }

    /// Ends what another kube-proxy did through the other variant of iptables, once ours is in place.
    fn be_alone(&mut self) {
        match remove_from_other_variant(&self.tool) {
            Ok(true) => tracing::info!("removed a kube-proxy's rules from the other variant of iptables"),
            Ok(false) => {}
            Err(error) => tracing::warn!("a kube-proxy's rules may still be in the other variant of iptables: {error}"),
        }
        self.alone = true;
    }

    /// Makes everything as it is desired, whatever `found` says is there. Returns what had to be written.
    fn reconcile(&mut self, model: &Model, found: Found) -> Result<Plan, IptablesError> {
        let (state, plan) = State::reconcile(model, &self.settings, found, &self.spellings);
        if !plan.is_empty() {
            self.state = None;
            self.restore(model, &plan)?;
        }
        self.state = Some(state);
        Ok(plan)
    }

    fn restore(&self, model: &Model, plan: &Plan) -> Result<HashMap<Shared, ChainDigest>, IptablesError> {
        let mut writer = Writer { model, settings: &self.settings, plan, keep_unwanted: false };
        let mut hashes = HashMap::new();
        let mut run = |writer: &Writer<'_>| {
            self.tool.restore(&mut |out| {
                hashes = writer.write(out)?;
                Ok(())
            })
        };
        match run(&writer) {
            Err(error) if !error.is_locked() && plan.removes_chains() => {
                tracing::warn!("chains that are not desired any more cannot be removed, so they are emptied: {error}");
                writer.keep_unwanted = true;
                run(&writer)?;
            }
            done => done?,
        }
        Ok(hashes)
    }

    /// The chains of the plan as this iptables prints them.
    fn printed(&self, model: &Model, plan: &Plan) -> Result<Option<Found>, IptablesError> {
        let plan = plan.of_chains();
        let writer = Writer { model, settings: &self.settings, plan: &plan, keep_unwanted: false };
        written_aside(&self.tool, &mut |out| writer.write(out).map(drop), Found::read_by)
    }

    fn first_sync(&mut self, model: &Model) -> Result<(), IptablesError> {
        let before = self.undisturbed.look();
        let found = Found::read(&self.tool)?;
        self.loopback.follow(&self.tool, &found);
        self.undisturbed.forget();
        let plan = self.reconcile(model, found)?;
        let stands = if plan.is_empty() { before } else { self.undisturbed.after_write(before, plan.commits()) };
        self.undisturbed.stood_at(stands);
        if !self.alone {
            self.be_alone();
        }
        tracing::info!(chains = plan.chains.len(), removed = plan.unwanted.len(), "iptables' rules are in place");
        Ok(())
    }

    fn next_sync(
        &mut self,
        model: &Model,
        mut state: State,
        touched: &BTreeSet<ServiceName>,
    ) -> Result<(), IptablesError> {
        let plan = state.update(model, &self.settings, touched);
        if !plan.is_empty() {
            let before = self.undisturbed.look();
            // Whoever was there before us, or meanwhile, is found by the next check.
            let held = self.undisturbed.held_at(before);
            self.undisturbed.forget();
            for (chain, hash) in self.restore(model, &plan)? {
                state.set_shared(chain, hash);
            }
            self.undisturbed.stood_at(self.undisturbed.after_write(before.filter(|_| held), plan.commits()));
            tracing::debug!(chains = plan.chains.len(), removed = plan.unwanted.len(), shared = ?plan.shared, "written");
        }
        self.state = Some(state);
        Ok(())
    }

    fn repair(&mut self, model: &Model) -> Result<bool, IptablesError> {
        let Some(state) = &self.state else { return Ok(false) };
        let before = self.undisturbed.look();
        let found = Found::read(&self.tool)?;
        self.loopback.follow(&self.tool, &found);
        if state.stands(&found, &self.spellings) {
            self.undisturbed.stood_at(before);
            return Ok(false);
        }
        self.undisturbed.forget();
        let plan = self.reconcile(model, found)?;
        let written = self.undisturbed.look();
        let found = Found::read(&self.tool)?;
        let ours = self.undisturbed.is_all_ours(before, plan.commits(), written);
        let Some(state) = &self.state else { return Ok(true) };
        if self.spellings.are_in_question(state, &found, &plan) {
            let printed = self.printed(model, &plan)?;
            // Where that cannot be tried, what stands where everybody writes has to do.
            let printed = printed.as_ref().or(ours.then_some(&found));
            if printed.is_some_and(|printed| self.spellings.learn(state, printed, &plan) > 0) {
                tracing::info!("this iptables prints rules otherwise than they were written; that is now known");
            }
        }
        // What others did meanwhile is found by the next check.
        if state.stands(&found, &self.spellings) {
            self.undisturbed.stood_at(written);
        }
        Ok(!plan.is_empty())
    }
}

impl Backend for Iptables {
    fn name(&self) -> &'static str {
        "iptables"
    }

    fn sync(&mut self, model: &Model, touched: &BTreeSet<ServiceName>) -> Result<(), SyncError> {
        let done = match self.state.take() {
            None => self.first_sync(model),
            Some(state) => self.next_sync(model, state, touched),
        };
        done.map_err(failed)
    }

    fn check(&mut self, model: &Model) -> Result<bool, SyncError> {
        if !self.undisturbed.can_tell() || self.undisturbed.holds() {
            return Ok(false);
        }
        self.repair(model).map_err(failed)
    }

    fn check_fully(&mut self, model: &Model) -> Result<bool, SyncError> {
        if self.undisturbed.is_exact() && self.undisturbed.holds() {
            return Ok(false);
        }
        self.repair(model).map_err(failed)
    }

    fn rules(&self) -> RuleCounts {
        Table::ALL.map(|table| (table, self.state.as_ref().map_or(0, |state| state.rules(table))))
    }
}

fn failed(error: IptablesError) -> SyncError {
    SyncError(error.to_string())
}
