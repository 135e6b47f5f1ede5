//! What must be true of a cluster.toml beyond its syntax. Everything wrong is collected.

use std::{net::Ipv4Addr, ops::Range, str::FromStr};

use ipnet::Ipv4Net;
use toml::Spanned;

use super::{
    Cluster, KubeProxyImplementation, Node, Subject,
    error::{ConfigError, ConfigErrors, shown},
    file::{File, JoinTable, NodeTable, ReservedTable, Role},
    first_address,
    join::{CaHash, LastDay},
    token::JoinToken,
};
use crate::Reserved;

/// A node's share of pod_cidr: the addresses of at most 253 pods.
const NODE_PREFIX: u8 = 24;

/// The API server refuses larger ranges for Services.
const LARGEST_SERVICE_PREFIX: u8 = 12;

/// Smaller, and the Services `kubernetes` and DNS would nearly fill it.
const SMALLEST_SERVICE_PREFIX: u8 = 28;

/// Ranges that no network of pods or Services can be in, and what they are for.
const RESERVED: [(Ipv4Net, &str); 5] = [
    (net([0, 0, 0, 0], 8), "no host"),
    (net([127, 0, 0, 0], 8), "each switch itself"),
    (net([169, 254, 0, 0], 16), "one link"),
    (net([224, 0, 0, 0], 4), "multicast"),
    (net([240, 0, 0, 0], 4), "nothing yet"),
];

const fn net([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

struct Checker<'a> {
    text: &'a str,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
}

/// What stands under [join].
#[derive(Default)]
struct Join {
    token: Option<JoinToken>,
    ca_hash: Option<CaHash>,
    until: Option<LastDay>,
    nat: bool,
}

/// A range of the file, with its place and the key that it stands under.
struct Claim {
    what: String,
    range: Ipv4Net,
    place: Range<usize>,
}

pub(super) fn cluster(file: File, join: Option<JoinTable<'_>>, text: &str) -> Result<Cluster, Vec<ConfigError>> {
    let mut checker = Checker { text, errors: Vec::new(), warnings: Vec::new() };
    let File { cluster, node: tables, kube_proxy, reserved, dns: names, certificates, network, services, storage } =
        file;
    let table = cluster.into_inner();
    checker.label(&table.name, "the cluster's name");
    checker.domain(&table.domain);
    let service_cidr = checker.range(&table.service_cidr, "service_cidr");
    let pod_cidr = checker.range(&table.pod_cidr, "pod_cidr");
    if let Some(range) = service_cidr {
        checker.service_size(&table.service_cidr, range);
        checker.reserved(&claim("service_cidr", range, &table.service_cidr));
    }
    if let Some(range) = pod_cidr {
        checker.pod_size(&table.pod_cidr, range, tables.len());
        checker.reserved(&claim("pod_cidr", range, &table.pod_cidr));
    }
    if let (Some(services), Some(pods)) = (service_cidr, pod_cidr) {
        checker.apart(&claim("pod_cidr", pods, &table.pod_cidr), &claim("service_cidr", services, &table.service_cidr));
    }
    let dns = service_cidr.and_then(|range| checker.dns(table.dns.as_ref(), range));
    if let Some(subject) = &table.subject {
        checker.subject(subject);
    }
    let taken: Vec<Claim> = service_cidr
        .map(|range| claim("service_cidr", range, &table.service_cidr))
        .into_iter()
        .chain(pod_cidr.map(|range| claim("pod_cidr", range, &table.pod_cidr)))
        .collect();
    let nodes = checker.nodes(&tables, pod_cidr, &taken);
    let reserved = reserved.and_then(|table| checker.kept_for_eos(&table));
    let names = names.check(text, &mut checker.errors);
    let certificates = certificates.check(text, &mut checker.errors);
    let Join { token, ca_hash, until, nat } = join.map(|join| checker.join(&join)).unwrap_or_default();
    let network = network.map(|table| table.check(nat, kube_proxy, text, &mut checker.errors));
    if kube_proxy.implementation == KubeProxyImplementation::Upstream && kube_proxy.follow_routes == Some(true) {
        checker.errors.push(ConfigError {
            line: None,
            problem: "follow_routes = true below [kube-proxy]: upstream's kube-proxy does not look at routes"
                .to_owned(),
            fix: "take this line out, or implementation = \"upstream\" above it".to_owned(),
        });
    }
    checker.errors.sort_by_key(|error| error.line.unwrap_or(usize::MAX));
    match (service_cidr, pod_cidr, dns) {
        (Some(service_cidr), Some(pod_cidr), Some(dns)) if checker.errors.is_empty() => Ok(Cluster {
            name: table.name.into_inner(),
            service_cidr,
            pod_cidr,
            dns,
            domain: table.domain.into_inner(),
            names,
            key: table.key,
            subject: table.subject.map(Spanned::into_inner).unwrap_or_default(),
            kube_proxy,
            reserved,
            certificates,
            storage,
            network,
            services,
            nodes,
            token,
            ca_hash,
            until,
            nat,
            warnings: ConfigErrors { errors: checker.warnings, ..ConfigErrors::default() },
        }),
        _ => Err(checker.errors),
    }
}

/// Whether two ranges have addresses in common.
pub fn overlap(one: &Ipv4Net, other: &Ipv4Net) -> bool {
    one.contains(other) || other.contains(one)
}

fn claim<T>(what: impl Into<String>, range: Ipv4Net, value: &Spanned<T>) -> Claim {
    Claim { what: what.into(), range, place: value.span() }
}

impl Checker<'_> {
    fn wrong(&mut self, place: Range<usize>, problem: impl Into<String>, fix: impl Into<String>) {
        self.errors.push(ConfigError::at(self.text, place, problem, fix));
    }

    fn join(&mut self, join: &JoinTable<'_>) -> Join {
        let text = self.text;
        let token = self.kept(join.token(text)).map(|(token, place)| {
            if let Some(weakness) = token.weakness() {
                self.warnings.push(ConfigError::at(text, place, weakness, JoinToken::HOW_TO_MAKE));
            }
            token
        });
        let (ca_hash, until) = (self.kept(join.ca_hash(text)), self.kept(join.until(text)));
        Join { token, ca_hash, until, nat: self.kept(join.nat(text)) }
    }

    /// What was read; an error is kept for the end.
    fn kept<T: Default>(&mut self, read: Result<T, ConfigError>) -> T {
        read.map_err(|error| self.errors.push(error)).unwrap_or_default()
    }

    fn reserved(&mut self, claim: &Claim) {
        let Claim { what, range, place } = claim;
        for (_, purpose) in RESERVED.iter().filter(|(reserved, _)| overlap(range, reserved)) {
            let problem = format!("{what} {range} has addresses that are for {purpose}");
            self.warnings.push(ConfigError::at(self.text, place.clone(), problem, "take a private range"));
        }
    }

    fn range(&mut self, value: &Spanned<String>, key: &str) -> Option<Ipv4Net> {
        let written = value.get_ref();
        let Ok(range) = Ipv4Net::from_str(written) else {
            self.wrong(
                value.span(),
                format!("{key} = {} is not an IPv4 range", shown(written)),
                "write it as in \"10.16.0.0/16\"",
            );
            return None;
        };
        if range.addr() != range.network() {
            let fix = format!("write {key} = \"{}\"", range.trunc());
            self.wrong(
                value.span(),
                format!("{key} = {} does not begin at the start of its range", shown(written)),
                fix,
            );
            return None;
        }
        Some(range)
    }

    fn service_size(&mut self, value: &Spanned<String>, range: Ipv4Net) {
        if !(LARGEST_SERVICE_PREFIX..=SMALLEST_SERVICE_PREFIX).contains(&range.prefix_len()) {
            self.wrong(
                value.span(),
                format!("service_cidr {range} is a /{}", range.prefix_len()),
                format!("take a range between /{LARGEST_SERVICE_PREFIX} and /{SMALLEST_SERVICE_PREFIX}"),
            );
        }
    }

    fn pod_size(&mut self, value: &Spanned<String>, range: Ipv4Net, nodes: usize) {
        let room = if range.prefix_len() > NODE_PREFIX { 0 } else { 1_usize << (NODE_PREFIX - range.prefix_len()) };
        if room < nodes.max(1) {
            self.wrong(
                value.span(),
                format!("pod_cidr {range} has room for {room} nodes with a /{NODE_PREFIX} each, and there are {nodes}"),
                "take a larger range",
            );
        }
    }

    fn apart(&mut self, one: &Claim, other: &Claim) {
        if overlap(&one.range, &other.range) {
            self.wrong(
                one.place.clone(),
                format!("{} {} and {} {} overlap", one.what, one.range, other.what, other.range),
                "move one of them",
            );
        }
    }

    fn dns(&mut self, value: Option<&Spanned<String>>, range: Ipv4Net) -> Option<Ipv4Addr> {
        let first = first_address(range);
        let Some(value) = value else {
            return Some(Ipv4Addr::from(u32::from(range.network()) + 10));
        };
        let Ok(address) = Ipv4Addr::from_str(value.get_ref()) else {
            self.wrong(
                value.span(),
                format!("dns = {} is not an IPv4 address", shown(value.get_ref())),
                format!("take an address of service_cidr {range}"),
            );
            return None;
        };
        let usable = range.contains(&address) && address != range.network() && address != range.broadcast();
        if !usable || address == first {
            let why = if address == first { "is the API server's own Service" } else { "is not in service_cidr" };
            self.wrong(
                value.span(),
                format!("dns {address} {why}"),
                format!("take another address of service_cidr {range}"),
            );
            return None;
        }
        Some(address)
    }

    fn nodes(&mut self, tables: &[Spanned<NodeTable>], pod_cidr: Option<Ipv4Net>, taken: &[Claim]) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for (index, table) in tables.iter().enumerate() {
            let NodeTable { name, address, roles, pod_cidr: own } = table.get_ref();
            self.label(name, "a node's name");
            if nodes.iter().any(|node| node.name == *name.get_ref()) {
                self.wrong(
                    name.span(),
                    format!("the name {} stands twice", shown(name.get_ref())),
                    "give each switch its own hostname",
                );
            }
            let address = self.node_address(address, &nodes, taken);
            let (master, worker) = self.roles(roles, &nodes);
            let range = match (own, pod_cidr) {
                (Some(own), Some(whole)) => self.node_range(own, whole),
                (None, Some(whole)) => whole.subnets(NODE_PREFIX).ok().and_then(|mut ranges| ranges.nth(index)),
                (_, None) => None,
            };
            // What could not be read has its error already; the rest is checked all the same.
            let (Some(address), Some(range)) = (address, range) else { continue };
            if let Some(other) = nodes.iter().find(|node| node.pod_cidr == range) {
                let place = own.as_ref().map_or(table.span(), Spanned::span);
                let problem =
                    format!("two nodes have the pods' range {range}; the other one is {}", shown(&other.name));
                self.wrong(place, problem, "give one of them another pod_cidr");
            }
            nodes.push(Node { name: name.get_ref().clone(), address, master, worker, pod_cidr: range });
        }
        let masters = tables.iter().filter(|table| table.get_ref().roles.get_ref().contains(&Role::Master)).count();
        if masters == 0 {
            self.errors.push(ConfigError::missing(
                "no [[node]] has the role \"master\"",
                "give it to the switch that is to run the control plane: roles = [\"master\", \"worker\"]",
            ));
        }
        nodes
    }

    fn node_address(&mut self, value: &Spanned<String>, nodes: &[Node], taken: &[Claim]) -> Option<Ipv4Addr> {
        let Ok(address) = Ipv4Addr::from_str(value.get_ref()) else {
            let problem = format!("address = {} is not an IPv4 address", shown(value.get_ref()));
            self.wrong(value.span(), problem, "write the switch's loopback address, without a prefix length");
            return None;
        };
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
            let problem = format!("the other switches cannot reach {address}");
            self.wrong(value.span(), problem, "write the address of an interface, best a loopback interface's");
        }
        if let Some(other) = nodes.iter().find(|node| node.address == address) {
            let problem = format!("the address {address} stands twice: {} has it too", shown(&other.name));
            self.wrong(value.span(), problem, "give each switch its own address");
        }
        for claim in taken.iter().filter(|claim| claim.range.contains(&address)) {
            self.wrong(
                value.span(),
                format!("the address {address} is inside {} {}", claim.what, claim.range),
                format!("move {}, or give the switch another address", claim.what),
            );
        }
        Some(address)
    }

    fn roles(&mut self, value: &Spanned<Vec<Role>>, nodes: &[Node]) -> (bool, bool) {
        let roles = value.get_ref();
        let (master, worker) = (roles.contains(&Role::Master), roles.contains(&Role::Worker));
        if roles.is_empty() {
            self.wrong(value.span(), "a node without a role", "write roles = [\"worker\"], or take the node out");
        }
        if let Some(first) = nodes.iter().find(|node| node.master).filter(|_| master) {
            let problem = format!("a second master: {} is one already", shown(&first.name));
            self.wrong(
                value.span(),
                problem,
                "one switch runs etcd and the control plane for now: leave \"worker\" here",
            );
        }
        (master, worker)
    }

    fn node_range(&mut self, value: &Spanned<String>, whole: Ipv4Net) -> Option<Ipv4Net> {
        let range = self.range(value, "a node's pod_cidr")?;
        if !whole.contains(&range) || range.prefix_len() != NODE_PREFIX {
            let problem = format!("a node's pod_cidr {range} is not a /{NODE_PREFIX} of pod_cidr {whole}");
            self.wrong(value.span(), problem, format!("take a /{NODE_PREFIX} out of {whole}"));
            return None;
        }
        Some(range)
    }

    fn kept_for_eos(&mut self, ReservedTable { memory, cpu }: &ReservedTable) -> Option<Reserved> {
        let mut quantity = |value: &Spanned<String>, key: &str, read: fn(&str) -> Option<u64>, how: &str| {
            let written = value.get_ref();
            let read = read(written);
            if read.is_none() {
                self.wrong(value.span(), format!("{key} = {} is no amount", shown(written)), how);
            }
            read
        };
        let memory_mib = quantity(memory, "memory", Reserved::memory, Reserved::HOW_MEMORY);
        let cpu_milli = quantity(cpu, "cpu", Reserved::cpu, Reserved::HOW_CPU);
        Some(Reserved { memory_mib: memory_mib?, cpu_milli: cpu_milli? })
    }

    /// A DNS label as Kubernetes and hostnames have it.
    fn label(&mut self, value: &Spanned<String>, what: &str) {
        if !is_label(value.get_ref()) {
            let problem = format!("{what} {} is not a DNS label", shown(value.get_ref()));
            let fix = "take at most 63 lower-case letters, digits and '-', with a letter or digit at both ends";
            self.wrong(value.span(), problem, fix);
        }
    }

    fn domain(&mut self, value: &Spanned<String>) {
        if value.get_ref().len() > 200 || !value.get_ref().split('.').all(is_label) {
            let problem = format!("the domain {} is not a DNS name", shown(value.get_ref()));
            self.wrong(value.span(), problem, "write it as in \"cluster.local\"");
        }
    }

    fn subject(&mut self, value: &Spanned<Subject>) {
        let Subject { country, locality } = value.get_ref();
        if country.as_ref().is_some_and(|code| code.len() != 2 || !code.bytes().all(|b| b.is_ascii_uppercase())) {
            self.wrong(value.span(), "subject.country is not a country's code", "write two capital letters");
        }
        if locality.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > 64) {
            self.wrong(value.span(), "subject.locality is empty or too long", "write 1 to 64 characters");
        }
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}
