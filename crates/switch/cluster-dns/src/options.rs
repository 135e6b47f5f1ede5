//! The command line.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use hickory_proto::rr::Name;
use ipnet::Ipv4Net;
use lexopt::prelude::*;

use crate::forward::StubDomain;

pub const HELP: &str = "\
cluster-dns: the cluster's name service on this switch

    --kubeconfig FILE           how the API server is reached
    --master URL                the API server's address, whatever the kubeconfig says
    --address IP                the cluster's DNS address
    --port PORT                 where questions are answered [53]
    --domain NAME               the cluster's domain [cluster.local]
    --service-cidr CIDR         where Services' addresses come from
    --cluster-cidr CIDR         where pods' addresses come from
    --pod-cidr CIDR             this switch's pods: they are answered
    --node-address IP           this switch's own address: it is answered
    --allow CIDR                who else is answered; may be given again
    --pod-bridge-interface NAME what this switch's pods are on; without it no address is taken and no rule made
    --no-input-rules            others let in who asks: without it, questions of those who are answered are let in
    --upstream IP[:PORT]        a resolver for all other names, in place of those in --resolv-conf; may be given again
    --stub-domain NAME=IP[,IP]  resolvers for the names of one domain; may be given again
    --resolv-conf FILE          where the switch's resolvers are [/etc/resolv.conf]
    --run-dir DIRECTORY         where what is known is kept for a restart of this program
    --state-dir DIRECTORY       where it is kept for a restart of the switch
    --metrics-bind-address A    health and metrics [127.0.0.1:9153]
    --remove                    give the address back, take the rules away, and end
    -v N, --version, --help
";

#[derive(Clone, Debug)]
pub struct Options {
    pub kubeconfig: Option<PathBuf>,
    pub master: Option<String>,
    pub address: Ipv4Addr,
    pub port: u16,
    pub domain: String,
    pub ranges: Vec<Ipv4Net>,
    pub pod_cidr: Option<Ipv4Net>,
    pub node_address: Option<Ipv4Addr>,
    pub allow: Vec<Ipv4Net>,
    pub bridge: Option<String>,
    /// Whether who is answered is let in, before any rule of others.
    pub input_rules: bool,
    pub upstreams: Vec<SocketAddr>,
    pub stub_domains: Vec<StubDomain>,
    pub resolv_conf: PathBuf,
    pub run_dir: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub metrics_bind_address: SocketAddr,
    pub verbosity: u8,
}

#[derive(Debug)]
pub enum Command {
    Run(Box<Options>),
    Remove(Box<Options>),
    Version,
    Help,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            master: None,
            address: Ipv4Addr::UNSPECIFIED,
            port: contract::ports::DNS,
            domain: "cluster.local".to_owned(),
            ranges: Vec::new(),
            pod_cidr: None,
            node_address: None,
            allow: Vec::new(),
            bridge: None,
            input_rules: true,
            upstreams: Vec::new(),
            stub_domains: Vec::new(),
            resolv_conf: "/etc/resolv.conf".into(),
            run_dir: None,
            state_dir: None,
            metrics_bind_address: (Ipv4Addr::LOCALHOST, contract::ports::CLUSTER_DNS_METRICS).into(),
            verbosity: 0,
        }
    }
}

/// An error reads on from the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    read(lexopt::Parser::from_args(args)).map_err(|error| error.to_string())
}

fn read(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut options = Options::default();
    let mut address = None;
    let mut remove = false;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("version") => return Ok(Command::Version),
            Long("remove") => remove = true,
            Long("no-input-rules") => options.input_rules = false,
            Short('v') => options.verbosity = parser.value()?.parse()?,
            Long(name) => {
                let name = name.to_owned();
                let value = parser.value()?.string()?;
                set(&mut options, &mut address, &name, &value).map_err(|why| format!("--{name}={value}: {why}"))?;
            }
            other => return Err(other.unexpected()),
        }
    }
    options.address = address.ok_or("give the cluster's DNS address by --address")?;
    let options = Box::new(options);
    Ok(if remove { Command::Remove(options) } else { Command::Run(options) })
}

fn set(options: &mut Options, address: &mut Option<Ipv4Addr>, name: &str, value: &str) -> Result<(), String> {
    match name {
        "kubeconfig" => options.kubeconfig = Some(value.into()),
        "master" => options.master = Some(value.to_owned()),
        "address" => *address = Some(parsed(value, "IPv4 address")?),
        "port" => options.port = parsed(value, "port")?,
        "domain" => {
            self::domain(value)?;
            value.clone_into(&mut options.domain);
        }
        "service-cidr" | "cluster-cidr" => options.ranges.push(range(value)?),
        "pod-cidr" => options.pod_cidr = Some(range(value)?),
        "node-address" => options.node_address = Some(parsed(value, "IPv4 address")?),
        "allow" => options.allow.push(range(value)?),
        "pod-bridge-interface" => options.bridge = Some(value.to_owned()),
        "upstream" => options.upstreams.push(server(value)?),
        "stub-domain" => {
            let (domain, servers) = value.split_once('=').ok_or("write DOMAIN=ADDRESS,ADDRESS")?;
            let servers = servers.split(',').map(server).collect::<Result<_, _>>()?;
            options.stub_domains.push(StubDomain { domain: self::domain(domain)?, servers });
        }
        "resolv-conf" => options.resolv_conf = value.into(),
        "run-dir" => options.run_dir = Some(value.into()),
        "state-dir" => options.state_dir = Some(value.into()),
        "metrics-bind-address" => options.metrics_bind_address = parsed(value, "ADDRESS:PORT")?,
        _ => return Err("there is no such option: --help lists them".to_owned()),
    }
    Ok(())
}

fn parsed<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("it is no {what}"))
}

fn range(text: &str) -> Result<Ipv4Net, String> {
    parsed::<Ipv4Net>(text, "range of IPv4 addresses").map(|range| range.trunc())
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let ip = |text: &str| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, contract::ports::DNS));
    ip(text).or_else(|| text.parse().ok()).ok_or_else(|| format!("{text:?} is no address of a resolver"))
}

fn domain(text: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(text).map_err(|error| format!("{text:?} is no domain: {error}"))?;
    name.set_fqdn(true);
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Command, String> {
        parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_unit_s_command_line_is_read_whole() {
        let Ok(Command::Run(options)) = of(
            "--address=10.10.0.10 --service-cidr 10.10.0.0/22 --cluster-cidr=10.16.0.0/16 \
             --no-input-rules --allow=192.0.2.9/24 --allow=198.51.100.0/24 --upstream=192.0.2.53 --upstream=192.0.2.54:5353 \
             --stub-domain=corp.example=192.0.2.1,192.0.2.2 -v 4",
        ) else {
            panic!("refused");
        };
        assert!(options.ranges.len() == 2 && !options.input_rules);
        assert_eq!(options.allow[0].to_string(), "192.0.2.0/24");
        assert_eq!(options.upstreams, ["192.0.2.53:53".parse().unwrap(), "192.0.2.54:5353".parse().unwrap()]);
        assert_eq!((options.stub_domains[0].servers.len(), options.verbosity), (2, 4));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_option() {
        for (text, named) in [
            ("", "--address"),
            ("--address=x", "--address=x: it is no IPv4 address"),
            ("--address=10.0.0.1 --allow=x", "--allow=x"),
            ("--address=10.0.0.1 --stub-domain=a", "DOMAIN=ADDRESS"),
            ("--address=10.0.0.1 --stub-domain=a=b", "\"b\" is no address"),
            ("--address=10.0.0.1 --domain=a..b", "--domain=a..b"),
            ("--address=10.0.0.1 --nonsense=1", "no such option"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
