//! `[services]`: what a Service may ask for, and which of the cluster's own there is.

use serde::{Deserialize, Serialize};

/// What stands under `[services]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Services {
    /// Whether Services get addresses that they name themselves; clusters of before go on as they were.
    pub external_ips: ExternalIps,
    /// Whether the master serves metrics.k8s.io.
    pub metrics_server: bool,
}

impl Default for Services {
    fn default() -> Self {
        Services { external_ips: ExternalIps::default(), metrics_server: true }
    }
}

/// What becomes of `externalIPs` that a Service has not had before. Those that it has are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExternalIps {
    Denied,
    #[default]
    Allowed,
}
