//! What follows from the syncer's work: health, metrics, health check node ports, conntrack's UDP entries, word to systemd.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sd_notify::NotifyState;

use crate::backend::SyncError;
use crate::conntrack::{self, UdpServices};
use crate::healthz::Health;
use crate::metrics::Metrics;
use crate::model::{Change, EndpointState, Model, Place, Protocol, Service, ServiceName};
use crate::service_health::ServiceHealth;
use crate::syncer::Observer;

/// Tells everyone who wants to know.
pub struct Reports {
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub service_health: ServiceHealth,
    /// For a backend that leaves conntrack to others.
    pub udp: Option<UdpEntries>,
    pub standing: Standing,
}

/// What was said last, so that nothing is said twice.
#[derive(Debug, Default)]
pub struct Standing {
    synced: bool,
    failing: bool,
}

impl Observer for Reports {
    fn queued(&mut self, change: &Change) {
        match change {
            Change::Service(..) => self.metrics.service_changes_seen(1),
            Change::AllServices(all) => self.metrics.service_changes_seen(count(all.len())),
            Change::Endpoints { .. } => self.metrics.endpoint_changes_seen(1),
            Change::AllEndpoints(all) => self.metrics.endpoint_changes_seen(count(all.len())),
        }
        self.health.queued_update();
    }

    fn synced(&mut self, model: &Model, touched: &BTreeSet<ServiceName>, took: Duration, triggers: &[SystemTime]) {
        self.service_health.sync(health_checks(model));
        if let Some(udp) = &mut self.udp {
            udp.follow(model, touched);
        }
        self.metrics.synced(took);
        triggers.iter().for_each(|&trigger| self.metrics.network_programmed(trigger));
        self.health.updated();
        tracing::debug!(services = touched.len(), took = ?took, "programmed");
        if !self.standing.synced {
            tracing::info!(services = model.services().count(), took = ?took, "in sync with the API server");
        }
        if !self.standing.synced || self.standing.failing {
            tell_systemd(&[NotifyState::Ready, NotifyState::Status("in sync with the API server")]);
        }
        self.standing = Standing { synced: true, failing: false };
    }

    fn failed(&mut self, error: &SyncError) {
        self.metrics.iptables_restore_failed();
        self.health.queued_update();
        if self.standing.failing {
            tracing::debug!(%error, "still cannot program");
            return;
        }
        self.standing.failing = true;
        tracing::error!(%error, "cannot program; trying again until it works");
        tell_systemd(&[NotifyState::Status("cannot program the rules; the log says why")]);
    }

    fn checked(&mut self, repaired: bool) {
        self.health.updated();
        if repaired {
            tracing::warn!("someone else had changed rules of ours; they are as they should be again");
        }
    }
}

/// Says something to the service manager, if there is one.
pub fn tell_systemd(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, what) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

fn count(changes: usize) -> u32 {
    u32::try_from(changes).unwrap_or(u32::MAX)
}

/// For each health check node port, how many endpoints its Service has here.
fn health_checks(model: &Model) -> BTreeMap<u16, (ServiceName, usize)> {
    let asked = model.services().filter_map(|(name, service)| Some((service.health_check_node_port?, name, service)));
    asked.map(|(port, name, service)| (port, (name.clone(), local_endpoints(model, name, service)))).collect()
}

fn local_endpoints(model: &Model, name: &ServiceName, service: &Service) -> usize {
    let endpoints = service.ports.iter().flat_map(|port| model.endpoints(name, &port.name, port.protocol));
    let here = endpoints.filter(|endpoint| endpoint.place == Place::ThisNode && endpoint.state == EndpointState::Ready);
    here.map(|endpoint| endpoint.ip).collect::<BTreeSet<Ipv4Addr>>().len()
}

/// Keeps conntrack's UDP entries true: a client that never pauses would go on talking to an endpoint that is gone.
#[derive(Debug, Default)]
pub struct UdpEntries {
    /// Addresses and ports of the UDP Services that were programmed; without an address, a node port.
    known: BTreeMap<ServiceName, Vec<(Option<Ipv4Addr>, u16)>>,
    began: bool,
    failing: bool,
}

impl UdpEntries {
    fn follow(&mut self, model: &Model, touched: &BTreeSet<ServiceName>) {
        let all = (!self.began).then(|| model.services().map(|(name, _)| name)).into_iter().flatten();
        let names: BTreeSet<&ServiceName> = all.chain(touched).collect();
        let mut desired = UdpServices::of(model, names.iter().copied());
        for name in names {
            let now = model.service(name).map(udp_addresses).unwrap_or_default();
            let before =
                if now.is_empty() { self.known.remove(name) } else { self.known.insert(name.clone(), now.clone()) };
            // Who asks there is not answered any more.
            for (ip, port) in before.into_iter().flatten().filter(|address| !now.contains(address)) {
                desired.insert(ip, port, &[]);
            }
        }
        self.began = true;
        if desired.is_empty() {
            return;
        }
        match conntrack::delete_stale_udp(&desired) {
            Ok(deleted) => {
                self.failing = false;
                tracing::debug!(deleted, "looked for UDP entries of endpoints that are gone");
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!(%error, "UDP clients may go on talking to endpoints that are gone");
            }
            Err(_) => {}
        }
    }
}

fn udp_addresses(service: &Service) -> Vec<(Option<Ipv4Addr>, u16)> {
    let external = service.external_ips.iter().chain(&service.load_balancer_ips);
    let ips: Vec<Ipv4Addr> = std::iter::once(&service.cluster_ip).chain(external).copied().collect();
    let udp = service.ports.iter().filter(|port| port.protocol == Protocol::Udp);
    udp.flat_map(|port| {
        let by_address = ips.iter().map(|&ip| (Some(ip), port.port));
        by_address.chain(port.node_port.map(|node_port| (None, node_port))).collect::<Vec<_>>()
    })
    .collect()
}
