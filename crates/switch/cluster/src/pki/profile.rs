//! What each certificate says: subject, names, usages, lifetime. The seed's identities have what cfssl's
//! profile "kubernetes" gives them; the ones that were added have no more than they use.

use std::{net::Ipv4Addr, time::Duration};

use x509_cert::name::Name;

use super::{
    Credential, PkiError, certificate::Certificate, credential::signed_by, name::name, node_key::KeyDigest, time::HOUR,
};
use crate::{Cluster, Node};

/// Five years, as `cfssl gencert -initca` gives.
pub(super) const CA_LIFETIME: Duration = HOUR.saturating_mul(43_800);

/// What switches renew by themselves lasts 90 days.
const LEAF_LIFETIME: Duration = HOUR.saturating_mul(90 * 24);

/// A certificate that lasts so much longer than it has to was made by an older release, or elsewhere.
const LONGER: Duration = HOUR.saturating_mul(24);

/// The name that the API server's certificate has and no worker's.
pub(super) const API_SERVER: &str = "kubernetes";

/// Clocks of switches drift: a certificate begins this long before it is made.
pub(super) const BACKDATED: Duration = HOUR;

/// How much of its key is in the name of an authority that takes another one's place.
const KEY_DIGITS: usize = 8;

/// Who sees to it that certificates are issued again in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewed {
    BySwitches,
    /// Made on the operator's own host, and carried from there.
    ByHand,
}

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
    /// How long one that is made now lasts.
    pub(super) lifetime: Duration,
}

impl Profile {
    /// Whether a certificate lasts longer than it should.
    pub(super) fn is_outlasted_by(&self, certificate: &Certificate) -> bool {
        let life = certificate.not_after().duration_since(certificate.not_before());
        life.is_ok_and(|life| life > self.lifetime + LONGER)
    }

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
        Credential::EtcdCa | Credential::FrontProxyCa => name(&cluster.subject, &[], None, ca.name()),
        _ => name(&cluster.subject, &["Kubernetes"], Some("CA"), "Kubernetes"),
    };
    made.map_err(cannot_write)
}

/// No two authorities have one name: who verifies finds the right one by it.
pub(super) fn next_ca_subject(cluster: &Cluster, key: &KeyDigest) -> Result<Name, PkiError> {
    let mut key = key.to_string();
    key.truncate(KEY_DIGITS);
    let made = name(&cluster.subject, &["Kubernetes"], Some("CA"), &format!("Kubernetes {key}"));
    made.map_err(cannot_write)
}

/// How long a leaf certificate lasts.
fn lifetime(credential: Credential, cluster: &Cluster, renewed: Renewed) -> Duration {
    match (renewed, credential) {
        (_, Credential::Admin) => cluster.certificates.admin_lifetime(),
        (Renewed::ByHand, _) => cluster.certificates.offline_lifetime(),
        (Renewed::BySwitches, _) => LEAF_LIFETIME,
    }
}

/// As switches have it.
pub(super) fn leaf(credential: Credential, cluster: &Cluster, node: &Node) -> Result<Profile, PkiError> {
    renewed(credential, cluster, node, Renewed::BySwitches)
}

pub(super) fn renewed(
    credential: Credential,
    cluster: &Cluster,
    node: &Node,
    renewed: Renewed,
) -> Result<Profile, PkiError> {
    let (own_name, of_system) = (credential.name().to_owned(), format!("system:{credential}"));
    // Every credential has its own line, so that a new one gets no more than somebody has decided that it needs.
    let (common_name, organization, usage) = match credential {
        Credential::Admin => (own_name, Some("system:masters"), Usage::ServerAndClient),
        Credential::ApiServer => (API_SERVER.to_owned(), Some("Kubernetes"), Usage::ServerAndClient),
        Credential::ApiServerKubeletClient | Credential::ApiServerEtcdClient | Credential::FrontProxyClient => {
            (own_name, None, Usage::Client)
        }
        Credential::ControllerManager => (of_system, Some("system:kube-controller-manager"), Usage::Client),
        Credential::Scheduler => (of_system, Some("system:kube-scheduler"), Usage::Client),
        Credential::Etcd => (own_name, None, Usage::ServerAndClient),
        Credential::Node => (node_user(&node.name), Some("system:nodes"), Usage::ServerAndClient),
        Credential::KubeProxy => (of_system, Some("system:node-proxier"), Usage::ServerAndClient),
        Credential::Ca | Credential::EtcdCa | Credential::FrontProxyCa | Credential::ServiceAccount => {
            return Err(PkiError::crypto("write a certificate's subject", format!("{credential} is no leaf")));
        }
    };
    let (dns_names, addresses) = match credential {
        Credential::ApiServer => api_server_names(cluster, node),
        Credential::Etcd => (vec!["localhost".to_owned(), node.name.clone()], vec![Ipv4Addr::LOCALHOST, node.address]),
        Credential::Node => (vec![node.name.clone()], vec![node.address]),
        _ => (vec![], vec![]),
    };
    let lifetime = lifetime(credential, cluster, renewed);
    let organizations = Vec::from_iter(organization);
    let subject = name(&cluster.subject, &organizations, Some("Kubernetes"), &common_name).map_err(cannot_write)?;
    Ok(Profile { subject, common_name, organization, dns_names, addresses, usage, lifetime })
}

/// All that a certificate authority has to sign in a cluster.
pub(super) fn all_of(ca: Credential, cluster: &Cluster) -> Result<Vec<Profile>, PkiError> {
    let of_master = signed_by(ca).map(|credential| (credential, cluster.master()));
    let workers = cluster.nodes.iter().filter(|node| !node.master && ca == Credential::Ca);
    let of_workers = workers.flat_map(|node| Credential::WORKER.map(|credential| (credential, node)));
    of_master.chain(of_workers).map(|(credential, node)| leaf(credential, cluster, node)).collect()
}

/// Who a node is to the API server.
pub fn node_user(name: &str) -> String {
    format!("system:node:{name}")
}

fn api_server_names(cluster: &Cluster, node: &Node) -> (Vec<String>, Vec<Ipv4Addr>) {
    let service = "kubernetes.default.svc";
    let names = [API_SERVER, "kubernetes.default", service].map(str::to_owned).into_iter();
    let names = names.chain([format!("{service}.{}", cluster.domain), node.name.clone()]);
    (names.collect(), vec![node.address, cluster.first_service_address(), Ipv4Addr::LOCALHOST])
}

fn cannot_write(why: x509_cert::der::Error) -> PkiError {
    PkiError::crypto("write a certificate's subject", why)
}
