//! Services and their endpoints as this program keeps them: validated, IPv4, and a few bytes for each endpoint.

mod endpoint;
mod name;
mod service;
mod sets;

pub use endpoint::{Endpoint, EndpointPort, EndpointState, Place};
pub use name::{Protocol, ServiceName};
pub use service::{Service, ServicePort, TrafficPolicy};
pub use sets::{Change, Model};
