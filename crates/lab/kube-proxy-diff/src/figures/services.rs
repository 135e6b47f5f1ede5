//! The Services that both are measured with: each with a cluster IP, a port and endpoints of its own, every third of them on the node.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use anyhow::{Context, Result};
use k8s_openapi::{
    api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    addresses::{NODE_2_NAME, NODE_NAME},
    api::{Api, Client},
    objects::{Object, ObjectChange, Transport, service},
    threads::side_by_side,
};

/// Requests that are under way at the same time.
const WRITERS: usize = 12;

/// Endpoints' addresses begin here, sixteen for each Service. Nobody is there.
const ENDPOINTS: u32 = u32::from_be_bytes([10, 64, 0, 0]);
/// The Services' addresses begin here, above those that the API server uses itself.
const CLUSTER_IPS: u32 = u32::from_be_bytes([10, 10, 16, 0]);
const PORT: u16 = 8080;

/// So many Services with so many endpoints each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Services {
    pub count: usize,
    pub endpoints: usize,
}

impl Services {
    /// Writes all of them, and returns when the last one was about to be created: a Service, after everything else.
    pub fn create(self, api: &Api) -> Result<Instant> {
        let last = self.count - 1;
        api.with_client(|client| {
            each(last, |index| {
                let objects = [self.endpoints(index, None), self.service(index)];
                client.apply(&objects.map(ObjectChange::Put))
            })?;
            client.apply([&ObjectChange::Put(self.endpoints(last, None))])?;
            let moment = Instant::now();
            client.apply([&ObjectChange::Put(self.service(last))])?;
            Ok(moment)
        })
    }

    pub fn delete(self, api: &Api) -> Result<()> {
        // The API server deletes their Endpoints, too.
        api.with_client(|client| each(self.count, |index| client.apply([&ObjectChange::Delete(self.service(index))])))
    }

    /// Takes an endpoint away from a Service, or gives it back; returns when that was about to be written.
    pub fn set_endpoint(self, client: &Client, index: usize, endpoint: usize, there: bool) -> Result<Instant> {
        let change = ObjectChange::Put(self.endpoints(index, (!there).then_some(endpoint)));
        let moment = Instant::now();
        client.apply([&change])?;
        Ok(moment)
    }

    pub fn cluster_ip(self, index: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(CLUSTER_IPS + index as u32)
    }

    /// Where the DNAT rule of an endpoint leads to.
    pub fn destination(self, index: usize, endpoint: usize) -> String {
        format!("--to-destination {}:{PORT}", address(index, endpoint))
    }

    /// How many DNAT rules there are when all endpoints are there.
    pub fn destinations(self) -> usize {
        self.count * self.endpoints
    }

    fn service(self, index: usize) -> Object {
        service(&name(index), self.cluster_ip(index)).port("http", Transport::Tcp, 80).build()
    }

    fn endpoints(self, index: usize, without: Option<usize>) -> Object {
        let addresses = (0..self.endpoints).filter(|endpoint| Some(*endpoint) != without).map(|endpoint| {
            let node = if endpoint % 3 == 0 { NODE_NAME } else { NODE_2_NAME };
            let ip = address(index, endpoint).to_string();
            EndpointAddress { ip, node_name: Some(node.to_owned()), ..EndpointAddress::default() }
        });
        let port = EndpointPort { name: Some("http".to_owned()), port: PORT.into(), ..EndpointPort::default() };
        let subset = EndpointSubset {
            addresses: Some(addresses.collect()),
            ports: Some(vec![port]),
            ..EndpointSubset::default()
        };
        Object::Endpoints(Box::new(Endpoints {
            metadata: ObjectMeta { name: Some(name(index)), ..ObjectMeta::default() },
            subsets: Some(vec![subset]),
        }))
    }
}

fn name(index: usize) -> String {
    format!("figures-{index:05}")
}

fn address(index: usize, endpoint: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(ENDPOINTS + index as u32 * 16 + endpoint as u32)
}

/// Does it for each number below `count`, several at a time.
fn each(count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let one_after_another = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(());
            }
            work(index).with_context(|| format!("object {index} of {count}"))?;
        }
    };
    side_by_side(WRITERS, one_after_another).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_number_is_done_once_and_an_error_is_told() {
        let done = Mutex::new(vec![]);
        each(100, |index| {
            done.lock().unwrap().push(index);
            Ok(())
        })
        .unwrap();
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..100).collect::<Vec<_>>());
        let error = each(100, |index| if index == 7 { Err(anyhow!("no")) } else { Ok(()) }).unwrap_err();
        assert_eq!(error.to_string(), "object 7 of 100");
    }

    #[test]
    fn no_two_services_share_an_address() {
        let services = Services { count: 5000, endpoints: 10 };
        assert_eq!(services.cluster_ip(4999), Ipv4Addr::new(10, 10, 35, 135));
        assert_eq!(services.destination(0, 9), "--to-destination 10.64.0.9:8080");
        assert_eq!(services.destination(4999, 0), "--to-destination 10.65.56.112:8080");
    }
}
