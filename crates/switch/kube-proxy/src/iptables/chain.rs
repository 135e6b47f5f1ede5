//! Names of the chains that belong to one Service port or endpoint: upstream's, kept in eleven bytes.

use std::fmt;

use data_encoding::BASE32;
use sha2::{Digest, Sha256};

use crate::model::{Endpoint, Protocol, ServiceName};

/// How much of a hash is in a name: 16 letters of base32.
const HASH_BYTES: usize = 10;
const HASH_LETTERS: usize = 16;

/// What a chain is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// All endpoints of a Service port.
    Service,
    /// Those on this node.
    Local,
    /// One endpoint.
    Endpoint,
    /// What comes to an external address.
    External,
    /// Who may come to a load balancer address.
    Firewall,
    /// What upstream of 1.20 has in the place of `External`.
    Xlb,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Service, Self::Local, Self::Endpoint, Self::External, Self::Firewall, Self::Xlb];

    pub fn prefix(self) -> &'static str {
        match self {
            Self::Service => "KUBE-SVC-",
            Self::Local => "KUBE-SVL-",
            Self::Endpoint => "KUBE-SEP-",
            Self::External => "KUBE-EXT-",
            Self::Firewall => "KUBE-FW-",
            Self::Xlb => "KUBE-XLB-",
        }
    }
}

/// The name of a chain of a Service port or endpoint, shown as iptables has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId {
    kind: Kind,
    hash: [u8; HASH_BYTES],
}

impl ChainId {
    /// From a chain's name; `None` where no kube-proxy would have given that name.
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, letters) = Kind::ALL.into_iter().find_map(|kind| Some((kind, name.strip_prefix(kind.prefix())?)))?;
        let mut hash = [0; HASH_BYTES];
        if letters.len() != HASH_LETTERS {
            return None;
        }
        BASE32.decode_mut(letters.as_bytes(), &mut hash).ok()?;
        Some(Self { kind, hash })
    }

    /// Whether a chain of that name can but be a kube-proxy's.
    pub fn has_prefix(name: &str) -> bool {
        Kind::ALL.into_iter().any(|kind| name.starts_with(kind.prefix()))
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = [0; HASH_LETTERS];
        BASE32.encode_mut(&self.hash, &mut letters);
        let letters = std::str::from_utf8(&letters).map_err(|_| fmt::Error)?;
        write!(formatter, "{}{letters}", self.kind.prefix())
    }
}

/// `namespace/name:port`, or `namespace/name` for a port without a name.
#[derive(Clone, Copy, Debug)]
pub struct PortName<'a> {
    pub service: &'a ServiceName,
    pub port: &'a str,
    pub protocol: Protocol,
}

impl PortName<'_> {
    pub fn chain(&self, kind: Kind) -> ChainId {
        ChainId { kind, hash: hash(&format!("{self}{}", self.protocol)) }
    }

    pub fn endpoint_chain(&self, endpoint: &Endpoint) -> ChainId {
        ChainId { kind: Kind::Endpoint, hash: hash(&format!("{self}{}{}", self.protocol, endpoint.socket())) }
    }
}

impl fmt::Display for PortName<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.service)?;
        if self.port.is_empty() { Ok(()) } else { write!(formatter, ":{}", self.port) }
    }
}

fn hash(text: &str) -> [u8; HASH_BYTES] {
    let digest = Sha256::digest(text.as_bytes());
    std::array::from_fn(|index| digest.get(index).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_upstream_gives() {
        // As the documentation of kube-proxy and countless bug reports have it: `echo -n default/kubernetes:httpstcp | sha256sum`, in base32.
        let service = ServiceName::new("default", "kubernetes");
        let port = PortName { service: &service, port: "https", protocol: Protocol::Tcp };
        assert_eq!(port.chain(Kind::Service).to_string(), "KUBE-SVC-NPX46M4PTMTKRN6Y");
    }

    #[test]
    fn a_name_is_read_as_it_is_shown_and_others_are_not() {
        let id = ChainId::parse("KUBE-SEP-NPX46M4PTMTKRN6Y").expect("it is one");
        assert_eq!(id.to_string(), "KUBE-SEP-NPX46M4PTMTKRN6Y");
        for other in ["KUBE-SVC-", "KUBE-SVC-NPX46M4PTMTKRN6", "KUBE-SVC-npx46m4ptmtkrn6y", "KUBE-SERVICES", "DOCKER"] {
            assert_eq!(ChainId::parse(other), None, "{other}");
        }
    }
}
