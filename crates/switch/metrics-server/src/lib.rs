//! metrics.k8s.io for `kubectl top` and autoscalers: what nodes and pods use of CPU and memory, on the master.
//!
//! 1. [`inventory`]: which nodes and pods there are, as watches bring it.
//! 2. [`kubelet`] and [`scrape`]: each Ready node's kubelet is asked for its [`summary`], in rounds.
//! 3. [`usage`]: CPU time of two rounds becomes what is used of CPU.
//! 4. [`store`]: the last of it, by node and pod, with their [`labels`]; what is old or gone is not given.
//! 5. [`answers`]: a pure function from a path and its [`selector`]s to the API's objects.
//! 6. [`server`]: HTTPS, for [`front_proxy`] alone: the API server, which has authorized who asks.
//! 7. [`ownership`]: whether the APIService is ours, or an operator's that this leaves it to.

pub mod answers;
pub mod front_proxy;
pub mod health;
pub mod inventory;
pub mod kubelet;
pub mod labels;
pub mod options;
pub mod ownership;
pub mod program;
pub mod run;
pub mod scrape;
pub mod selector;
pub mod server;
pub mod store;
pub mod summary;
pub mod tls;
pub mod usage;
