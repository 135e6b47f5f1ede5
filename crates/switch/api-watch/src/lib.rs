//! What the programs of a switch ask the API server with: where it is and as whom ([`access`]), the client, watches that are
//! followed through every failure that may pass, and the Services' names.

pub mod access;
mod client;
#[cfg(feature = "fake")]
pub mod fake;
mod follow;
mod service_name;

pub use client::{Connection, causes, connect};
pub use follow::{ASK_AGAIN, Ended, Gatherer, follow};
pub use service_name::ServiceName;
