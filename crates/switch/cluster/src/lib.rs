//! What a cluster is: the operator's `cluster.toml`, and what follows from it on every switch.

mod cni;
mod config;
pub mod encryption;
pub mod kubeconfig;
pub mod pki;
mod reserved;
pub mod revoked;
pub mod room;
pub mod state;
pub mod units;

pub use cni::{BRIDGE, VXLAN, conflist};
pub use config::{
    Backend, CERTIFICATE_DAYS, CaHash, Certificates, Cluster, ConfigError, ConfigErrors, ExternalIps, Firewall,
    JoinToken, KeyType, KubeProxy, KubeProxyImplementation, LastDay, Names, Network, NetworkOn, Node, ProxyMode,
    Services, Storage, Subject, overlap,
};
pub use reserved::{Reserved, ReservedOn};
