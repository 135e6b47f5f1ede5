//! Chains in iptables: ours kept as they are desired and taken away, those of Kubernetes taken away. Which ones are ours, and what is in
//! them, is a matter of [`crate::firewall`].

mod keeping;
mod of_kubernetes;

use anyhow::Result;
use common::xtables::Family;

use crate::firewall;

pub use self::{keeping::Firewall, of_kubernetes::remove_of_kubernetes};

/// Takes every chain of ours away.
pub fn remove_all() -> Result<()> {
    keeping::remove(firewall::ALL.into_iter().filter(|chain| chain.family == Family::V4 || firewall::has_ipv6()))
}
