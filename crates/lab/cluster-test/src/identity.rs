//! Which cluster it is: what a reboot, an upgrade or a lost worker must not change.

use crate::{Switch, state::State};
use anyhow::{Result, ensure};

#[derive(Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    ca: String,
    kube_system: String,
}

impl ClusterIdentity {
    pub fn of(master: &Switch<'_>) -> Result<ClusterIdentity> {
        let kube_system = master.kubectl(&["get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}"])?;
        ensure!(!kube_system.is_empty(), "the namespace kube-system has no identity");
        Ok(ClusterIdentity { ca: State::copy_of(master)?.ca_fingerprint()?, kube_system })
    }

    /// Fails where the master is another cluster's now.
    pub fn has_stayed(&self, master: &Switch<'_>) -> Result<()> {
        let now = ClusterIdentity::of(master)?;
        ensure!(*self == now, "it was {self:?}, and is {now:?}");
        Ok(())
    }
}
