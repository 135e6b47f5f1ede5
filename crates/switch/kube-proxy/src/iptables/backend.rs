//! The backend: keeps what is programmed the same as what is desired, with one `iptables-restore` for each change.

use std::collections::{BTreeSet, HashMap};

use super::layout::Shared;
use super::saved::Found;
use super::state::{Plan, Spellings, State};
use super::watch::{Generation, Watch};
use super::write::Writer;
use super::{IptablesError, IptablesSettings, Tool, remove_from_other_variant, sysctl};
use crate::backend::{Backend, SyncError};
use crate::model::{Model, ServiceName};

/// `--proxy-mode iptables`
#[derive(Debug)]
pub struct Iptables {
    tool: Tool,
    settings: IptablesSettings,
    /// `None` where it is not known what is programmed: at the start, and after anything went wrong.
    state: Option<State>,
    spellings: Spellings,
    watch: Option<Watch>,
    /// What the kernel answered when we last knew how things stood.
    generation: Option<Generation>,
    prepared: bool,
    alone: bool,
}

impl Iptables {
    pub fn new(tool: Tool, settings: IptablesSettings) -> Self {
        let spellings = Spellings::default();
        Self { tool, settings, state: None, spellings, watch: None, generation: None, prepared: false, alone: false }
    }

    fn prepare(&mut self) {
        if self.settings.node_ports_at_loopback() {
            sysctl::route_localnet();
        }
        let watch = Watch::new(self.tool.variant());
        self.watch = watch.inspect_err(|error| tracing::info!("changes by others are seen late: {error}")).ok();
        self.prepared = true;
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

    fn is_undisturbed(&self) -> bool {
        self.generation.is_some() && self.look() == self.generation
    }

    fn look(&self) -> Option<Generation> {
        self.watch.as_ref()?.generation().inspect_err(|error| tracing::debug!("no generation: {error}")).ok()
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

    fn restore(&self, model: &Model, plan: &Plan) -> Result<HashMap<Shared, u64>, IptablesError> {
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

    fn first_sync(&mut self, model: &Model) -> Result<(), IptablesError> {
        if !self.prepared {
            self.prepare();
        }
        let before = self.look();
        let found = Found::read(&self.tool)?;
        let plan = self.reconcile(model, found)?;
        self.generation = if plan.is_empty() { before } else { self.look() };
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
            let undisturbed = self.is_undisturbed();
            for (chain, hash) in self.restore(model, &plan)? {
                state.set_shared(chain, hash);
            }
            // Whoever was there before us is found by the next look.
            self.generation = if undisturbed { self.look() } else { None };
            tracing::debug!(chains = plan.chains.len(), removed = plan.unwanted.len(), shared = ?plan.shared, "written");
        }
        self.state = Some(state);
        Ok(())
    }

    fn repair(&mut self, model: &Model) -> Result<bool, IptablesError> {
        let Some(state) = &self.state else { return Ok(false) };
        let before = self.look();
        let found = Found::read(&self.tool)?;
        if state.stands(&found, &self.spellings) {
            self.generation = before;
            return Ok(false);
        }
        let plan = self.reconcile(model, found)?;
        let after = self.look();
        let learned = match &self.state {
            Some(state) => self.spellings.learn(state, &Found::read(&self.tool)?, &plan),
            None => 0,
        };
        if learned > 0 {
            tracing::info!(
                chains = learned,
                "this iptables prints rules otherwise than they were written; that is now known"
            );
        }
        self.generation = after;
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
        if self.watch.is_none() || self.is_undisturbed() {
            return Ok(false);
        }
        self.repair(model).map_err(failed)
    }

    fn check_fully(&mut self, model: &Model) -> Result<bool, SyncError> {
        if self.watch.as_ref().is_some_and(Watch::is_exact) && self.is_undisturbed() {
            return Ok(false);
        }
        self.repair(model).map_err(failed)
    }
}

fn failed(error: IptablesError) -> SyncError {
    SyncError(error.to_string())
}
