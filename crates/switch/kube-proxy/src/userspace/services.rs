//! The Services as the data path has them: their ports, which keep their number, their turn and their UDP sockets through every
//! change.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddrV4,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tracing::warn;

use super::{
    data_path::DataPath,
    destinations::{AppliedPolicy, Destinations, Endpoints, PerPolicy, ProxiedPort},
    rules::{Ends, Front, RuleWriter},
};
use crate::{
    conntrack::{Answerer, Asked, ServedAddresses},
    endpoint_selection::{EndpointSelection, TrafficTarget, select_endpoints},
    model::{Model, Protocol, Service, ServiceName, ServicePort},
};

/// One port of a Service that is served.
struct Served {
    /// As the Service has it, in the same place.
    of: ServicePort,
    port: Arc<ProxiedPort>,
    ends: Ends,
    /// Where it listens for each policy; for UDP alone, TCP's are everybody's.
    udp: PerPolicy<Option<u16>>,
}

/// Every port that is served.
#[derive(Default)]
pub struct ServedServices {
    served: BTreeMap<ServiceName, Vec<Served>>,
    last_id: u32,
    sctp_mentioned: bool,
}

/// UDP sockets that are of no more use once no rule leads to them.
pub type Closing = Vec<(u32, AppliedPolicy)>;

impl ServedServices {
    /// Makes the ports of one Service what the model has. On an error, what was not reached stays as it was.
    pub fn follow(
        &mut self,
        name: &ServiceName,
        model: &Model,
        path: &DataPath,
        closing: &mut Closing,
    ) -> io::Result<()> {
        let mut old = self.served.remove(name).unwrap_or_default();
        let mut new = Vec::new();
        let mut result = Ok(());
        if let Some(service) = model.service(name) {
            for of in &service.ports {
                if of.protocol == Protocol::Sctp {
                    self.mention_sctp(name);
                    continue;
                }
                let same = |served: &Served| served.of.name == of.name && served.of.protocol == of.protocol;
                let was = old.iter().position(same).map(|at| old.swap_remove(at));
                let mut served = self.serve(name, service, of, was, model, path);
                result = result.and(served.adjust_udp(service, path, closing));
                new.push(served);
            }
        }
        for mut gone in old {
            gone.close_udp(&PerPolicy::default(), closing);
        }
        if !new.is_empty() {
            self.served.insert(name.clone(), new);
        }
        result
    }

    /// Opens what a Service still lacks of the sockets that it needs; returns how many that were.
    pub fn open_lacking(&mut self, name: &ServiceName, model: &Model, path: &DataPath) -> (usize, io::Result<()>) {
        let (mut opened, mut result) = (0, Ok(()));
        if let (Some(service), Some(ports)) = (model.service(name), self.served.get_mut(name)) {
            for served in ports {
                let of_port = served.open_udp(service, path, &mut opened);
                result = result.and(of_port);
            }
        }
        (opened, result)
    }

    fn serve(
        &mut self,
        name: &ServiceName,
        service: &Service,
        of: &ServicePort,
        was: Option<Served>,
        model: &Model,
        path: &DataPath,
    ) -> Served {
        let selection = select_endpoints(service, &model.endpoints(name, &of.name, of.protocol));
        let (endpoints, ends) = (endpoints_by_policy(&selection), Ends::of(service, &selection));
        let affinity = service.affinity_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        match was {
            Some(was) if was.port.endpoints == endpoints && was.port.affinity == affinity => {
                Served { of: of.clone(), ends, ..was }
            }
            Some(was) => {
                let turn = AtomicU32::new(was.port.turn.load(Ordering::Relaxed));
                let port =
                    Arc::new(ProxiedPort { id: was.port.id, name: was.port.name.clone(), affinity, endpoints, turn });
                if was.udp != PerPolicy::default() {
                    path.update_udp(Arc::clone(&port));
                }
                Served { of: of.clone(), port, ends, udp: was.udp }
            }
            None => {
                self.last_id = self.last_id.wrapping_add(1);
                let (id, name) = (self.last_id, format!("{name}:{}", of.name).into());
                let port = Arc::new(ProxiedPort { id, name, affinity, endpoints, turn: AtomicU32::default() });
                Served { of: of.clone(), port, ends, udp: PerPolicy::default() }
            }
        }
    }

    /// What the data path looks connections up in.
    pub fn destinations(&self, model: &Model) -> Destinations {
        let mut destinations = Destinations::default();
        for (service, served) in self.each(model) {
            let addresses = addresses(service).map(|ip| SocketAddrV4::new(ip, served.of.port));
            if served.of.protocol == Protocol::Udp {
                destinations.udp_addresses.extend(addresses);
                continue;
            }
            for address in addresses {
                destinations.addresses.entry(address).or_insert_with(|| Arc::clone(&served.port));
            }
            if let Some(node_port) = served.of.node_port {
                destinations.node_ports.entry(node_port).or_insert_with(|| Arc::clone(&served.port));
            }
        }
        destinations
    }

    /// The rules of everything that is served.
    pub fn render(&self, model: &Model, path: &DataPath, rules: &mut RuleWriter<'_>) {
        for policy in AppliedPolicy::ALL {
            rules.admit(Protocol::Tcp, path.tcp_port(policy));
        }
        for (name, served) in &self.served {
            let Some(service) = model.service(name) else { continue };
            for served in served {
                let mut listening = PerPolicy::default();
                for policy in AppliedPolicy::ALL {
                    *listening.get_mut(policy) = match served.of.protocol {
                        Protocol::Udp => served.udp.get(policy).unwrap_or_default(),
                        _ => path.tcp_port(policy),
                    };
                    if let Some(port) = *served.udp.get(policy) {
                        rules.admit(Protocol::Udp, port);
                    }
                }
                // Nothing is to be sent to a socket that could not be opened.
                let listens = |policy| served.of.protocol != Protocol::Udp || served.udp.get(policy).is_some();
                let ends = served.ends.where_listening(listens);
                rules.port(&Front { name, service, port: &served.of, ends, listening });
            }
        }
    }

    /// Where UDP clients of each address get their answers from, as connection tracking sees it: from a socket of ours.
    pub fn udp_answers(&self, model: &Model) -> ServedAddresses {
        let mut answers = ServedAddresses::default();
        for (service, served) in self.each(model).filter(|(_, served)| served.of.protocol == Protocol::Udp) {
            let ours: Vec<Answerer> = AppliedPolicy::ALL
                .into_iter()
                .filter_map(|policy| *served.udp.get(policy))
                .map(Answerer::at_any_address)
                .collect();
            Asked::of_port(service, &served.of).for_each(|asked| answers.insert(asked, &ours));
        }
        answers
    }

    fn each<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = (&'a Service, &'a Served)> {
        let known = self.served.iter().filter_map(|(name, served)| Some((model.service(name)?, served)));
        known.flat_map(|(service, served)| served.iter().map(move |served| (service, served)))
    }

    fn mention_sctp(&mut self, name: &ServiceName) {
        if !self.sctp_mentioned {
            warn!(service = %name, "SCTP ports are not served in userspace mode, neither this one nor any other");
            self.sctp_mentioned = true;
        }
    }
}

impl Served {
    /// Opens the sockets that the port needs now, and gives up those that it does not.
    fn adjust_udp(&mut self, service: &Service, path: &DataPath, closing: &mut Closing) -> io::Result<()> {
        if self.of.protocol != Protocol::Udp {
            return Ok(());
        }
        self.close_udp(&self.ends.needed_policies(service, &self.of), closing);
        self.open_udp(service, path, &mut 0)
    }

    fn open_udp(&mut self, service: &Service, path: &DataPath, opened: &mut usize) -> io::Result<()> {
        if self.of.protocol != Protocol::Udp {
            return Ok(());
        }
        let needed = self.ends.needed_policies(service, &self.of);
        for policy in AppliedPolicy::ALL {
            let socket = self.udp.get_mut(policy);
            if *needed.get(policy) && socket.is_none() {
                *socket = Some(path.open_udp(Arc::clone(&self.port), policy)?);
                *opened += 1;
            }
        }
        Ok(())
    }

    fn close_udp(&mut self, needed: &PerPolicy<bool>, closing: &mut Closing) {
        for policy in AppliedPolicy::ALL {
            if !needed.get(policy) && self.udp.get_mut(policy).take().is_some() {
                closing.push((self.port.id, policy));
            }
        }
    }
}

fn addresses(service: &Service) -> impl Iterator<Item = std::net::Ipv4Addr> + '_ {
    let external = service.external_ips.iter().chain(&service.load_balancer_ips).copied();
    std::iter::once(service.cluster_ip).chain(external)
}

fn endpoints_by_policy(selection: &EndpointSelection) -> PerPolicy<Endpoints> {
    let sockets = |target: &TrafficTarget| -> Endpoints {
        match target {
            TrafficTarget::Endpoints(endpoints) => endpoints.iter().map(|endpoint| endpoint.socket()).collect(),
            TrafficTarget::Reject | TrafficTarget::Drop => Arc::from([]),
        }
    };
    let cluster = sockets(&selection.cluster);
    let shared =
        |target: &TrafficTarget| if *target == selection.cluster { Arc::clone(&cluster) } else { sockets(target) };
    PerPolicy {
        internal: shared(&selection.internal),
        external: shared(&selection.external),
        cluster: Arc::clone(&cluster),
    }
}
