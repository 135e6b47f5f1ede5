//! `[services]`: what a Service may ask for.

use serde::{Deserialize, Serialize};

/// What stands under `[services]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Services {
    /// Whether Services get addresses that they name themselves; clusters of before go on as they were.
    pub external_ips: ExternalIps,
}

/// What becomes of `externalIPs` that a Service has not had before. Those that it has are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternalIps {
    Denied,
    #[default]
    Allowed,
}
