//! What a backend is: the part that makes the desired state happen, and applies only what differs.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::iptables::Table;
use crate::model::{Model, ServiceName};

/// One way to proxy Services. The syncer owns it, on a thread where it may block.
pub trait Backend: Send {
    /// The mode's name, as `--proxy-mode` has it.
    fn name(&self) -> &'static str;

    /// Makes what is programmed follow `model`, which is complete. `touched` has every Service whose desired state may differ from the last
    /// call that succeeded. The first call after a start finds what an earlier run left, and keeps what is right of it.
    /// On an error, everything stays as it was or is half done; the next call gets the same Services as touched again.
    fn sync(&mut self, model: &Model, touched: &BTreeSet<ServiceName>) -> Result<(), SyncError>;

    /// Looks whether what was programmed still stands, as cheaply as can be (called every second), and repairs what someone else changed.
    /// Returns whether there was something to repair.
    fn check(&mut self, model: &Model) -> Result<bool, SyncError>;

    /// The whole check, whatever the cheap one says (called each `--iptables-sync-period`). Returns whether there was something to repair.
    fn check_fully(&mut self, model: &Model) -> Result<bool, SyncError>;

    /// How many rules stand in the chains of this mode, after a call that succeeded.
    fn rules(&self) -> RuleCounts;
}

/// By table.
pub type RuleCounts = [(Table, usize); Table::ALL.len()];

/// A state that could not be programmed; it is tried again, with backoff.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SyncError(pub String);

/// When the backend looks by itself, and how often it may write.
#[derive(Clone, Copy, Debug)]
pub struct Periods {
    /// `--iptables-sync-period`
    pub full_check: Duration,
    /// `--iptables-min-sync-period`
    pub least_between_syncs: Duration,
}
