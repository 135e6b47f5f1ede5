//! From the API's objects to the [model](crate::model). What is bad in an object is left out with one line in the log, and the rest of it stays.

mod complaints;
mod endpoints;
mod service;
mod slice;

use complaints::Complaints;

use crate::model::{EndpointPort, Place, ServiceName};

/// Makes the model's values of API objects, for one node.
#[derive(Debug)]
pub struct Reader {
    node: Box<str>,
    complaints: Complaints,
}

/// What one Endpoints or EndpointSlice object says.
#[derive(Debug, PartialEq, Eq)]
pub struct ObjectEndpoints {
    pub service: ServiceName,
    /// The object's own name.
    pub object: Box<str>,
    pub ports: Box<[EndpointPort]>,
}

impl Reader {
    /// `node` is this node's name, which tells endpoints here from those elsewhere.
    pub fn new(node: &str) -> Self {
        Self { node: node.into(), complaints: Complaints::default() }
    }

    fn place(&self, node_name: Option<&str>) -> Place {
        match node_name {
            Some(name) if name == &*self.node => Place::ThisNode,
            Some(_) => Place::OtherNode,
            None => Place::Unknown,
        }
    }
}

/// A port number of the API, which has them as `int32`.
fn port_number(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|&port| port != 0)
}

#[cfg(test)]
mod tests;
