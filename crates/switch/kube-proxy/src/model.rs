//! Services and their endpoints as this program keeps them: validated, IPv4, and a few bytes for each endpoint.

mod endpoint;
mod protocol;
mod service;
mod sets;

pub use api_watch::ServiceName;
pub use endpoint::{Endpoint, EndpointPort, EndpointState, Place};
pub use protocol::Protocol;
pub use service::{Service, ServicePort, TrafficPolicy};
pub use sets::{Change, Model};
