//! What the programs of a switch ask the API server with: where it is and as whom ([`access`]), the client, watches that are
//! followed through every failure that may pass, and the Services' names.

pub mod access;
mod again;
mod client;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod follow;
mod kinds;
mod proxies;
mod service_name;
mod standing;

pub use client::{Connection, causes, connect};
pub use follow::Gatherer;
pub use kinds::{watch, watch_endpoints, watch_services};
pub use service_name::ServiceName;
