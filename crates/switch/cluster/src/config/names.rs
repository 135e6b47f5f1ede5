//! `[dns]`: which resolvers know the names outside the cluster, and who beside this switch's pods is answered.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use contract::ports;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::error::{ConfigError, shown};

/// More are never asked.
const MOST_SERVERS: usize = 8;

const HOW_SERVER: &str = "write an address as in \"192.0.2.53\", or with a port as in \"192.0.2.53:5353\"";

/// What stands under `[dns]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Names {
    /// In place of the switch's own resolvers.
    pub upstreams: Vec<SocketAddr>,
    /// `DOMAIN=RESOLVER,RESOLVER`
    pub stub_domains: Vec<String>,
    /// Who else is answered.
    pub allow: Vec<Ipv4Net>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct NamesTable {
    #[serde(default)]
    upstreams: Vec<Spanned<String>>,
    #[serde(default)]
    stub_domains: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    #[serde(default)]
    allow: Vec<Spanned<String>>,
}

struct Checker<'a> {
    text: &'a str,
    errors: &'a mut Vec<ConfigError>,
}

impl NamesTable {
    pub(super) fn check(self, text: &str, errors: &mut Vec<ConfigError>) -> Names {
        let mut checker = Checker { text, errors };
        let upstreams = checker.servers(&self.upstreams, "upstreams");
        let mut stub_domains = Vec::new();
        for (domain, servers) in &self.stub_domains {
            checker.domain(domain);
            if servers.is_empty() {
                let problem = format!("the stub domain {} has no resolver", shown(domain.get_ref()));
                checker.wrong(domain, problem, HOW_SERVER);
            }
            let servers = checker.servers(servers, "a stub domain's resolver");
            let servers: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
            stub_domains.push(format!("{}={}", domain.get_ref(), servers.join(",")));
        }
        let allow = self.allow.iter().filter_map(|range| checker.range(range)).collect();
        Names { upstreams, stub_domains, allow }
    }
}

impl Checker<'_> {
    fn wrong(&mut self, value: &Spanned<String>, problem: String, fix: &str) {
        self.errors.push(ConfigError::at(self.text, value.span(), problem, fix));
    }

    fn servers(&mut self, values: &[Spanned<String>], what: &str) -> Vec<SocketAddr> {
        if let Some(first_too_many) = values.get(MOST_SERVERS) {
            let fix = format!("leave the first {MOST_SERVERS}");
            self.wrong(first_too_many, format!("{what} has more than {MOST_SERVERS} entries"), &fix);
        }
        values.iter().filter_map(|value| self.server(value, what)).collect()
    }

    fn server(&mut self, value: &Spanned<String>, what: &str) -> Option<SocketAddr> {
        let written = value.get_ref();
        let with_port = SocketAddr::from_str(written).ok();
        let server = with_port.or_else(|| Some(SocketAddr::new(IpAddr::from_str(written).ok()?, ports::DNS)));
        let server = server.filter(|server| !server.ip().is_unspecified() && server.port() != 0);
        if server.is_none() {
            self.wrong(value, format!("{what} {} is no address of a resolver", shown(written)), HOW_SERVER);
        }
        server
    }

    fn domain(&mut self, value: &Spanned<String>) {
        let is_label = |label: &str| {
            let usual = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            (1..=63).contains(&label.len()) && label.chars().all(usual)
        };
        let written = value.get_ref();
        if written.len() > 200 || !written.strip_suffix('.').unwrap_or(written).split('.').all(is_label) {
            let problem = format!("the stub domain {} is not a DNS name", shown(written));
            self.wrong(value, problem, "write it as in \"corp.example.com\"");
        }
    }

    fn range(&mut self, value: &Spanned<String>) -> Option<Ipv4Net> {
        let range = Ipv4Net::from_str(value.get_ref()).ok().filter(|range| range.addr() == range.network());
        if range.is_none() {
            let problem = format!("allow {} is no IPv4 range that begins at its start", shown(value.get_ref()));
            self.wrong(value, problem, "write it as in \"192.0.2.0/24\"");
        }
        range
    }
}
