//! The backend: the model's changes become destinations for the data path, sockets, and rules.

use std::{
    collections::BTreeSet,
    io,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use ipnet::Ipv4Net;
use tracing::warn;

use super::{
    chains::jumps,
    data_path::{Carriage, DataPath},
    lacking::Lacking,
    limits::Limits,
    programmed::Programmed,
    rules::{Conditions, RuleWriter},
    services::{Closing, ServedServices},
    tcp::original_destination,
};
use crate::{
    backend::{Backend, RuleCounts, SyncError},
    conntrack,
    iptables::{Feature, Table, Tool},
    model::{Model, ServiceName},
};

/// What the mode can be told.
#[derive(Clone, Debug)]
pub struct UserspaceSettings {
    /// `--bind-address`: where the listening sockets are.
    pub bind_address: Ipv4Addr,
    /// `--cluster-cidr`
    pub cluster_cidr: Option<Ipv4Net>,
    /// `--nodeport-addresses`; all of this node's if empty.
    pub node_port_addresses: Vec<Ipv4Net>,
    /// `--udp-timeout`
    pub udp_timeout: Duration,
}

/// The userspace mode, running. Its connections end when it is dropped; its rules stay.
pub struct Userspace {
    conditions: Conditions,
    path: DataPath,
    services: ServedServices,
    programmed: Programmed,
    /// Sockets that rules may still lead to, after a write that failed.
    closing: Closing,
    /// Services for which a socket could not be opened.
    lacking: Lacking,
    conntrack_failed: bool,
}

impl Userspace {
    /// Opens the listening sockets and starts to serve. Nothing leads there before the first sync.
    pub fn start(tool: Tool, settings: &UserspaceSettings) -> io::Result<Self> {
        let features = tool.features();
        if !features.has(Feature::Addrtype) {
            warn!("node ports are not served: without the match addrtype a rule cannot tell this node's addresses");
        }
        let path = DataPath::start(Carriage {
            address: settings.bind_address,
            udp_idle: settings.udp_timeout,
            limits: Limits::raise(),
            original_destination,
        })?;
        Ok(Self {
            conditions: Conditions { address: settings.bind_address, cluster_cidr: settings.cluster_cidr, features },
            path,
            services: ServedServices::default(),
            programmed: Programmed::new(tool, jumps(features, &settings.node_port_addresses)),
            closing: Closing::new(),
            lacking: Lacking::default(),
            conntrack_failed: false,
        })
    }

    /// Serves these Services as the model has them. One for which there is no socket keeps no other from being served, and is tried again at
    /// checks.
    fn follow(&mut self, names: &BTreeSet<ServiceName>, model: &Model) {
        for name in names {
            match self.services.follow(name, model, &self.path, &mut self.closing) {
                Ok(()) => self.lacking.remove(name),
                Err(error) => {
                    if self.lacking.add(name, Instant::now()) {
                        warn!(service = %name, %error, "no UDP socket can be opened for it, so it is refused; trying again");
                    }
                }
            }
        }
    }

    /// Tries the Services that lack a socket, if it is time; returns whether any was opened.
    fn try_lacking(&mut self, model: &Model) -> bool {
        let (now, room) = (Instant::now(), self.path.udp_room());
        if !self.lacking.is_due(now, room) {
            return false;
        }
        let mut opened = 0;
        for name in self.lacking.names().clone() {
            let (some, result) = self.services.open_lacking(&name, model, &self.path);
            opened += some;
            if result.is_ok() {
                self.lacking.remove(&name);
            }
        }
        self.lacking.tried(now, room, opened);
        opened > 0
    }

    /// Makes the data path and the rules those of the Services that are served.
    fn program(&mut self, model: &Model) -> Result<(), SyncError> {
        self.path.replace(self.services.destinations(model));
        if self.write(model, false)? {
            self.forget_stale(model);
        }
        for (port, policy) in self.closing.drain(..) {
            self.path.close_udp(port, policy);
        }
        Ok(())
    }

    /// Writes the rules that differ; returns whether there were any.
    fn write(&mut self, model: &Model, whole: bool) -> Result<bool, SyncError> {
        let Self { conditions, path, services, programmed, .. } = self;
        let render = |out: &mut dyn FnMut(_, &str)| services.render(model, path, &mut RuleWriter::new(conditions, out));
        let written = if whole { programmed.repair(&render) } else { programmed.follow(&render) };
        written.map_err(|error| SyncError(format!("cannot program the rules of the userspace mode: {error}")))
    }

    /// Connection tracking sends the datagrams of a client that goes on where it sent the first one: there was no rule then, perhaps, or
    /// another socket.
    fn forget_stale(&mut self, model: &Model) {
        match conntrack::delete_stale(&self.services.udp_answers(model)) {
            Ok(_) => self.conntrack_failed = false,
            Err(error) if !self.conntrack_failed => {
                warn!(%error, "UDP clients that go on without a pause may miss a change of their Service");
                self.conntrack_failed = true;
            }
            Err(_) => {}
        }
    }
}

impl Backend for Userspace {
    fn name(&self) -> &'static str {
        "userspace"
    }

    fn sync(&mut self, model: &Model, touched: &BTreeSet<ServiceName>) -> Result<(), SyncError> {
        self.follow(touched, model);
        self.program(model)
    }

    fn check(&mut self, model: &Model) -> Result<bool, SyncError> {
        if self.try_lacking(model) {
            self.program(model)?;
        }
        if !self.programmed.is_undisturbed() {
            return self.check_fully(model);
        }
        if self.conntrack_failed {
            self.forget_stale(model);
        }
        Ok(false)
    }

    fn check_fully(&mut self, model: &Model) -> Result<bool, SyncError> {
        let repaired = self.write(model, true)?;
        // What began while rules were missing went past our sockets.
        if repaired || self.conntrack_failed {
            self.forget_stale(model);
        }
        Ok(repaired)
    }

    fn rules(&self) -> RuleCounts {
        Table::ALL.map(|table| (table, self.programmed.rules(table)))
    }
}
