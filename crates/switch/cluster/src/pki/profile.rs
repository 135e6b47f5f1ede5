//! What each certificate says: subject, names, usages, lifetime. The seed's identities have what cfssl's
//! profile "kubernetes" gives them; the ones that were added have no more than they use.

use std::{net::Ipv4Addr, time::Duration};

use x509_cert::name::Name;

use super::{Credential, PkiError, name::name, time::HOUR};
use crate::{Cluster, Node};

/// Five years, as `cfssl gencert -initca` gives.
pub(super) const CA_LIFETIME: Duration = HOUR.saturating_mul(43_800);

/// The seed's 26280 hours.
pub(super) const LEAF_LIFETIME: Duration = HOUR.saturating_mul(26_280);

/// Clocks of switches drift: a certificate begins this long before it is made.
pub(super) const BACKDATED: Duration = HOUR;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    Client,
    ServerAndClient,
}

/// What a leaf certificate has to say.
#[derive(Clone)]
pub(super) struct Profile {
    pub(super) subject: Name,
    pub(super) common_name: String,
    pub(super) organization: Option<&'static str>,
    pub(super) dns_names: Vec<String>,
    pub(super) addresses: Vec<Ipv4Addr>,
    pub(super) usage: Usage,
}

impl Profile {
    /// A name or an address that both certificates are good for. DNS names are the same in any case of letters.
    pub(super) fn shared_with(&self, other: &Profile) -> Option<String> {
        let name = |name: &&String| other.dns_names.iter().any(|theirs| theirs.eq_ignore_ascii_case(name));
        let address = |address: &&Ipv4Addr| other.addresses.contains(address);
        let name = self.dns_names.iter().find(name).cloned();
        name.or_else(|| self.addresses.iter().find(address).map(Ipv4Addr::to_string))
    }
}

pub(super) fn ca_subject(ca: Credential, cluster: &Cluster) -> Result<Name, PkiError> {
    let made = match ca {
        Credential::EtcdCa => name(&cluster.subject, None, None, "etcd-ca"),
        _ => name(&cluster.subject, Some("Kubernetes"), Some("CA"), "Kubernetes"),
    };
    made.map_err(cannot_write)
}

pub(super) fn leaf(credential: Credential, cluster: &Cluster, node: &Node) -> Result<Profile, PkiError> {
    let (own_name, of_system) = (credential.name().to_owned(), format!("system:{credential}"));
    // Every credential has its own line, so that a new one gets no more than somebody has decided that it needs.
    let (common_name, organization, usage) = match credential {
        Credential::Admin => (own_name, Some("system:masters"), Usage::ServerAndClient),
        Credential::ApiServer => ("kubernetes".to_owned(), Some("Kubernetes"), Usage::ServerAndClient),
        Credential::ApiServerKubeletClient | Credential::ApiServerEtcdClient => (own_name, None, Usage::Client),
        Credential::ControllerManager => (of_system, Some("system:kube-controller-manager"), Usage::Client),
        Credential::Scheduler => (of_system, Some("system:kube-scheduler"), Usage::Client),
        Credential::Etcd => (own_name, None, Usage::ServerAndClient),
        Credential::Node => (format!("system:node:{}", node.name), Some("system:nodes"), Usage::ServerAndClient),
        Credential::KubeProxy => (of_system, Some("system:node-proxier"), Usage::ServerAndClient),
        Credential::Ca | Credential::EtcdCa | Credential::ServiceAccount => {
            return Err(PkiError::crypto("write a certificate's subject", format!("{credential} is no leaf")));
        }
    };
    let (dns_names, addresses) = match credential {
        Credential::ApiServer => api_server_names(cluster, node),
        Credential::Etcd => (vec!["localhost".to_owned(), node.name.clone()], vec![Ipv4Addr::LOCALHOST, node.address]),
        Credential::Node => (vec![node.name.clone()], vec![node.address]),
        _ => (vec![], vec![]),
    };
    let subject = name(&cluster.subject, organization, Some("Kubernetes"), &common_name).map_err(cannot_write)?;
    Ok(Profile { subject, common_name, organization, dns_names, addresses, usage })
}

fn api_server_names(cluster: &Cluster, node: &Node) -> (Vec<String>, Vec<Ipv4Addr>) {
    let service = "kubernetes.default.svc";
    let names = ["kubernetes", "kubernetes.default", service].map(str::to_owned).into_iter();
    let names = names.chain([format!("{service}.{}", cluster.domain), node.name.clone()]);
    (names.collect(), vec![node.address, cluster.first_service_address(), Ipv4Addr::LOCALHOST])
}

fn cannot_write(why: x509_cert::der::Error) -> PkiError {
    PkiError::crypto("write a certificate's subject", why)
}
