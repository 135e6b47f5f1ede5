//! What a cluster is: the operator's `cluster.toml`, and what follows from it on every switch.

mod cni;
mod config;
pub mod encryption;
pub mod kubeconfig;
pub mod pki;
pub mod room;
pub mod state;
pub mod units;

pub use cni::{BRIDGE, conflist};
pub use config::{
    Cluster, ConfigError, ConfigErrors, JoinToken, KeyType, KubeProxy, KubeProxyImplementation, Node, ProxyMode,
    Subject, overlap,
};
