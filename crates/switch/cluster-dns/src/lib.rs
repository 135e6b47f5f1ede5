//! The cluster's name service, one on each switch, for that switch's pods and programs.
//!
//! 1. [`knowledge`]: Services and endpoints as watches bring them, kept over restarts.
//! 2. [`zone`]: what the Kubernetes DNS specification makes of them, a pure function from a question to records.
//! 3. [`forward`]: everything else, asked of the switch's resolvers, with a cache.
//! 4. [`server`]: questions by UDP and TCP, from those alone that [`admission`] lets in.
//! 5. [`presence`]: the cluster's DNS address on this switch, and the rules ahead of any kube-proxy's.

pub mod admission;
pub mod forward;
pub mod health;
pub mod knowledge;
pub mod metrics;
pub mod options;
pub mod presence;
pub mod reply;
pub mod request;
pub mod resolver;
pub mod run;
pub mod server;
pub mod zone;
