//! The kube-proxy against upstream's: the same objects, the same networks, the same answers.
//!
//! 1. [`programs`] takes etcd, the API server and upstream's kube-proxy out of the SWIX.
//! 2. [`api`] runs a real API server, and nothing else of a cluster: [`objects`] are written by the suite.
//! 3. A [`world`] is a node, its pods, a second node and an outside host, in network namespaces of their own, with
//!    one kube-proxy. Every world has the same addresses, so that what two worlds answer can be compared.
//! 4. [`probe`] asks with real packets; [`iptables_simulator`] reads `iptables-save` and says what would become of a packet.
//! 5. [`cases`] is the table of what is compared, [`compare`] does it; [`random`] makes up the states nobody thought of.
//! 6. [`differences`] is the list of what is different on purpose, each with its reason.
//! 7. [`chaos`] lets everything around ours go wrong; [`crash_trap`] is what ours may never step into.
//! 8. [`figures`] is what both cost and how fast they are.

pub mod addresses;
pub mod api;
pub mod case;
pub mod cases;
pub mod chaos;
pub mod compare;
pub mod crash_trap;
pub mod daemon;
pub mod differences;
pub mod figures;
pub mod health;
pub mod iptables_simulator;
mod limits;
pub mod netns;
pub mod objects;
pub mod pair;
pub mod probe;
pub mod programs;
pub mod random;
pub mod targets;
mod threads;
pub mod world;
