//! The command line.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::prelude::*;

pub const HELP: &str = "\
metrics-server: what nodes and pods use, for the API server

    --kubeconfig FILE                     how the API server is reached
    --address IP:PORT                     where the API server asks
    --tls-cert-file FILE                  what is shown to the API server
    --tls-private-key-file FILE
    --requestheader-client-ca-file FILE   whose clients are answered
    --requestheader-allowed-names NAME    the one of them that is
    --kubelet-certificate-authority FILE  what kubelets are verified by
    --kubelet-client-certificate FILE     who this is to kubelets
    --kubelet-client-key FILE
    --kubelet-port PORT                   where kubelets are asked [10250]
    --health-bind-address A               health and status [127.0.0.1:9154]
    -v N, --version, --help
";

#[derive(Clone, Debug)]
pub struct Options {
    pub kubeconfig: PathBuf,
    pub address: SocketAddr,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub front_proxy_ca: PathBuf,
    pub front_proxy_name: String,
    pub kubelet_ca: PathBuf,
    pub kubelet_certificate: PathBuf,
    pub kubelet_key: PathBuf,
    pub kubelet_port: u16,
    pub health_bind_address: SocketAddr,
    pub verbosity: u8,
}

#[derive(Debug)]
pub enum Command {
    Run(Box<Options>),
    Version,
    Help,
}

/// An error reads on from the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    read(lexopt::Parser::from_args(args)).map_err(|error| error.to_string())
}

/// The flags that have to be there, and what each is for in [`Options`].
const NEEDED: [&str; 9] = [
    "kubeconfig",
    "address",
    "tls-cert-file",
    "tls-private-key-file",
    "requestheader-client-ca-file",
    "requestheader-allowed-names",
    "kubelet-certificate-authority",
    "kubelet-client-certificate",
    "kubelet-client-key",
];

fn read(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut needed: [Option<String>; NEEDED.len()] = Default::default();
    let mut kubelet_port = contract::ports::KUBELET;
    let mut health_bind_address = (Ipv4Addr::LOCALHOST, contract::ports::METRICS_SERVER_HEALTH).into();
    let mut verbosity = 0;
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("version") => return Ok(Command::Version),
            Short('v') => verbosity = parser.value()?.parse()?,
            Long(name) => {
                let name = name.to_owned();
                let value = parser.value()?.string()?;
                match (NEEDED.iter().position(|needed| *needed == name), name.as_str()) {
                    (Some(place), _) => needed[place] = Some(value),
                    (None, "kubelet-port") => kubelet_port = parsed(&name, &value, "port")?,
                    (None, "health-bind-address") => health_bind_address = parsed(&name, &value, "ADDRESS:PORT")?,
                    (None, _) => Err(format!("--{name}={value}: there is no such option: --help lists them"))?,
                }
            }
            other => return Err(other.unexpected()),
        }
    }
    if let Some(place) = needed.iter().position(Option::is_none) {
        Err(format!("give --{}", NEEDED[place]))?;
    }
    let [
        kubeconfig,
        address,
        certificate,
        key,
        front_proxy_ca,
        front_proxy_name,
        kubelet_ca,
        kubelet_certificate,
        kubelet_key,
    ] = needed.map(Option::unwrap_or_default);
    Ok(Command::Run(Box::new(Options {
        kubeconfig: kubeconfig.into(),
        address: parsed("address", &address, "ADDRESS:PORT")?,
        certificate: certificate.into(),
        key: key.into(),
        front_proxy_ca: front_proxy_ca.into(),
        front_proxy_name,
        kubelet_ca: kubelet_ca.into(),
        kubelet_certificate: kubelet_certificate.into(),
        kubelet_key: kubelet_key.into(),
        kubelet_port,
        health_bind_address,
        verbosity,
    })))
}

fn parsed<T: FromStr>(name: &str, text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("--{name}={text}: it is no {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Command, String> {
        parse(text.split_whitespace().map(OsString::from))
    }

    const WHOLE: &str = "--kubeconfig=k --address=1.1.1.1:6445 --tls-cert-file=c --tls-private-key-file=y \
        --requestheader-client-ca-file=f --requestheader-allowed-names=front-proxy-client --kubelet-certificate-authority=a \
        --kubelet-client-certificate=b --kubelet-client-key=d";

    #[test]
    fn a_unit_s_command_line_is_read_whole() {
        let Ok(Command::Run(options)) = of(&format!("{WHOLE} -v 4")) else { panic!("refused") };
        assert_eq!(options.address.to_string(), "1.1.1.1:6445");
        assert_eq!((options.key.to_str(), options.kubelet_key.to_str()), (Some("y"), Some("d")));
        assert_eq!((options.kubelet_port, options.verbosity), (10250, 4));
    }

    #[test]
    fn what_is_wrong_or_missing_is_named_with_its_option() {
        for (text, named) in [
            (String::new(), "--kubeconfig"),
            (WHOLE.replace("--tls-cert-file=c", ""), "--tls-cert-file"),
            (WHOLE.replace("1.1.1.1:6445", "x"), "--address=x: it is no ADDRESS:PORT"),
            (format!("{WHOLE} --kubelet-port=x"), "--kubelet-port=x"),
            (format!("{WHOLE} --nonsense=1"), "no such option"),
        ] {
            let error = of(&text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
