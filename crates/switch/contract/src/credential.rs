//! The credentials of a cluster and the names of their files.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A key with its certificate; the service accounts' key has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Credential {
    /// The cluster's certificate authority.
    Ca,
    /// Etcd's own certificate authority: no certificate of the cluster's opens etcd.
    EtcdCa,
    /// What the tokens of service accounts are signed with.
    ServiceAccount,
    Admin,
    ApiServer,
    /// The API server towards kubelets.
    ApiServerKubeletClient,
    /// The API server towards etcd.
    ApiServerEtcdClient,
    ControllerManager,
    Scheduler,
    Etcd,
    /// The kubelet, as client and as server.
    Node,
    KubeProxy,
}

impl Credential {
    /// Everything, and everything is on the master; certificate authorities before what they sign.
    pub const MASTER: [Credential; 12] = [
        Credential::ServiceAccount,
        Credential::Ca,
        Credential::EtcdCa,
        Credential::Admin,
        Credential::ApiServer,
        Credential::ApiServerKubeletClient,
        Credential::ApiServerEtcdClient,
        Credential::ControllerManager,
        Credential::Scheduler,
        Credential::Etcd,
        Credential::Node,
        Credential::KubeProxy,
    ];

    /// What a worker asks the master for.
    pub const WORKER: [Credential; 2] = [Credential::Node, Credential::KubeProxy];

    /// How its files' names begin.
    pub fn name(self) -> &'static str {
        match self {
            Credential::Ca => "ca",
            Credential::EtcdCa => "etcd-ca",
            Credential::ServiceAccount => "service-account",
            Credential::Admin => "admin",
            Credential::ApiServer => "kube-apiserver",
            Credential::ApiServerKubeletClient => "kube-apiserver-kubelet-client",
            Credential::ApiServerEtcdClient => "kube-apiserver-etcd-client",
            Credential::ControllerManager => "kube-controller-manager",
            Credential::Scheduler => "kube-scheduler",
            Credential::Etcd => "etcd",
            Credential::Node => "node",
            Credential::KubeProxy => "kube-proxy",
        }
    }

    /// The certificate's file, or the service accounts' public key's.
    pub fn certificate_file(self) -> String {
        match self {
            Credential::ServiceAccount => "service-account.pub".into(),
            _ => format!("{}.pem", self.name()),
        }
    }

    pub fn key_file(self) -> String {
        format!("{}-key.pem", self.name())
    }

    pub fn kubeconfig_file(self) -> String {
        format!("{}.kubeconfig", self.name())
    }

    pub fn is_ca(self) -> bool {
        matches!(self, Credential::Ca | Credential::EtcdCa)
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Credential {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = Self::MASTER.into_iter().find(|credential| credential.name() == name);
        found.ok_or_else(|| D::Error::custom(format!("there is no credential {name:?}")))
    }
}
