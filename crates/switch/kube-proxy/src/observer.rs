//! What follows from the syncer's work: health, metrics, health check node ports, conntrack's entries of UDP and SCTP, word to systemd.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use daemon::tell_systemd;
use sd_notify::NotifyState;

use crate::backend::{RuleCounts, SyncError};
use crate::conntrack::{self, Asked, ServedAddresses};
use crate::healthz::Health;
use crate::metrics::Metrics;
use crate::model::{EndpointState, Model, Place, Service, ServiceName};
use crate::news::Seen;
use crate::service_health::ServiceHealth;
use crate::syncer::Observer;

/// Tells everyone who wants to know.
pub struct Reports {
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub service_health: ServiceHealth,
    /// For a backend that leaves conntrack to others.
    pub flows: Option<StaleFlows>,
    pub standing: Standing,
}

/// What was said last, so that nothing is said twice.
#[derive(Debug, Default)]
pub struct Standing {
    synced: bool,
    failing: bool,
}

impl Observer for Reports {
    fn queued(&mut self, seen: Seen) {
        self.metrics.service_changes_seen(seen.services);
        self.metrics.endpoint_changes_seen(seen.endpoints);
        self.health.queued_update();
    }

    fn nothing_changed(&mut self) {
        self.metrics.nothing_pending();
        self.health.updated();
    }

    fn synced(&mut self, model: &Model, touched: &BTreeSet<ServiceName>, took: Duration, triggers: &[SystemTime]) {
        // First: load balancers are told that this node has endpoints only while it is healthy.
        self.health.updated();
        self.service_health.sync(health_checks(model));
        if let Some(flows) = &mut self.flows {
            flows.follow(model, touched);
        }
        self.metrics.synced(took);
        triggers.iter().for_each(|&trigger| self.metrics.network_programmed(trigger));
        tracing::debug!(services = touched.len(), took = ?took, "programmed");
        if !self.standing.synced {
            tracing::info!(services = model.services().count(), took = ?took, "in sync with the API server");
        }
        if !self.standing.synced || self.standing.failing {
            tell_systemd(&[NotifyState::Ready, NotifyState::Status("in sync with the API server")]);
        }
        self.standing = Standing { synced: true, failing: false };
    }

    fn counted(&mut self, rules: RuleCounts) {
        rules.into_iter().for_each(|(table, rules)| self.metrics.set_iptables_rules(table.as_str(), rules));
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

    fn checking(&mut self) {
        self.health.queued_update();
    }

    fn checked(&mut self, model: &Model, repaired: bool) {
        self.health.updated();
        self.metrics.stands();
        if let Some(flows) = self.flows.as_mut().filter(|flows| repaired || flows.failing) {
            flows.judge_all(model);
        }
        if repaired {
            tracing::warn!("someone else had changed rules of ours; they are as they should be again");
        }
    }
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

/// Keeps conntrack's entries of UDP and SCTP true: a client that never pauses would go on talking to an endpoint that is gone.
#[derive(Debug, Default)]
pub struct StaleFlows {
    /// Where the Services are asked that were programmed.
    known: BTreeMap<ServiceName, Vec<Asked>>,
    /// Addresses at which nobody answers any more, until the entries have been judged by them.
    gone: BTreeSet<Asked>,
    began: bool,
    failing: bool,
}

impl StaleFlows {
    fn follow(&mut self, model: &Model, touched: &BTreeSet<ServiceName>) {
        let all = (!self.began).then(|| model.services().map(|(name, _)| name)).into_iter().flatten();
        let names: BTreeSet<&ServiceName> = all.chain(touched).collect();
        let desired = ServedAddresses::of(model, names.iter().copied());
        for name in names {
            let now = model.service(name).map_or_else(Vec::new, |service| Asked::of(service).collect());
            let before =
                if now.is_empty() { self.known.remove(name) } else { self.known.insert(name.clone(), now.clone()) };
            // Who asks there is not answered any more.
            self.gone.extend(before.into_iter().flatten().filter(|address| !now.contains(address)));
        }
        self.began = true;
        self.judge(desired);
    }

    /// Once more what every Service has: flows that began while rules were missing, or could not be judged, went past all of them.
    fn judge_all(&mut self, model: &Model) {
        self.judge(ServedAddresses::of(model, model.services().map(|(name, _)| name)));
    }

    fn judge(&mut self, mut desired: ServedAddresses) {
        for &asked in &self.gone {
            desired.insert(asked, &[]);
        }
        if desired.is_empty() {
            return;
        }
        match conntrack::delete_stale(&desired) {
            Ok(deleted) => {
                self.failing = false;
                self.gone.clear();
                tracing::debug!(deleted, "looked for entries of endpoints that are gone");
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!(%error, "clients of UDP and SCTP may go on talking to endpoints that are gone");
            }
            Err(_) => {}
        }
    }
}
