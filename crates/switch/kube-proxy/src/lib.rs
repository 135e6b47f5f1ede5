//! A kube-proxy for EOS, in three layers:
//!
//! 1. [`model`]: Services and endpoints as this program keeps them, small and already validated ([`objects`] makes them).
//! 2. [`endpoint_selection`]: which endpoints a Service's port has on this node, a pure function.
//! 3. [`backend`]: makes the kernel (or this process) do so, and applies only what differs.

pub mod backend;
pub mod conntrack;
pub mod endpoint_selection;
pub mod events;
pub mod healthz;
pub mod iptables;
pub mod metrics;
pub mod model;
pub mod news;
pub mod node_address;
pub mod objects;
pub mod observer;
pub mod options;
pub mod routed_nodes;
pub mod run;
pub mod service_health;
pub mod syncer;
pub mod transit;
pub mod userspace;
pub mod watch;
