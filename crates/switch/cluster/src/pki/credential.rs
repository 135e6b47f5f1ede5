//! Which certificate authority signs what.

use contract::Credential;

/// The certificate authority whose key signs a credential's certificate; of a certificate authority itself.
pub(super) fn ca_of(credential: Credential) -> Credential {
    match credential {
        Credential::EtcdCa | Credential::Etcd | Credential::ApiServerEtcdClient => Credential::EtcdCa,
        Credential::FrontProxyCa | Credential::FrontProxyClient => Credential::FrontProxyCa,
        Credential::Ca
        | Credential::ServiceAccount
        | Credential::Admin
        | Credential::ApiServer
        | Credential::ApiServerKubeletClient
        | Credential::ControllerManager
        | Credential::Scheduler
        | Credential::Node
        | Credential::KubeProxy => Credential::Ca,
    }
}

/// Certificates of the master that a certificate authority signs.
pub(super) fn signed_by(ca: Credential) -> impl Iterator<Item = Credential> {
    let leaf = |credential: &Credential| !credential.is_ca() && *credential != Credential::ServiceAccount;
    Credential::MASTER.iter().copied().filter(leaf).filter(move |credential| ca_of(*credential) == ca)
}
