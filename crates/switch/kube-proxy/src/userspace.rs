//! The `userspace` backend: this process carries the traffic of Services itself, as upstream's kube-proxy does in the mode of
//! that name. For kernels that lack what the `iptables` mode needs.
//!
//! [`rules`] send what is for a Service to a listening port of ours; they change only when an address, or whether there is
//! anybody to answer, does. [`data_path`] carries it, on threads of its own. Endpoints see this node as the source of what
//! comes to them, which is in the nature of the mode.

mod backend;
mod balance;
mod chains;
mod data_path;
mod datagram;
mod destinations;
mod lacking;
mod limits;
mod pipes;
mod programmed;
mod relay;
mod rules;
mod services;
mod sessions;
mod tcp;
mod udp;

pub use backend::{Userspace, UserspaceSettings};
