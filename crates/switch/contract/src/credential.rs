//! The credentials of a cluster and the names of their files.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! credentials {
    ($($(#[$doc:meta])* $credential:ident = $name:literal;)+) => {
        /// A key with its certificate; the service accounts' key has none.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Credential {
            $($(#[$doc])* #[serde(rename = $name)] $credential,)+
        }

        impl Credential {
            /// Everything, and everything is on the master; certificate authorities before what they sign.
            pub const MASTER: &[Credential] = &[$(Credential::$credential),+];

            /// How its files' names begin.
            pub fn name(self) -> &'static str {
                match self { $(Credential::$credential => $name,)+ }
            }
        }
    };
}

credentials! {
    /// What the tokens of service accounts are signed with.
    ServiceAccount = "service-account";
    /// The cluster's certificate authority.
    Ca = "ca";
    /// Etcd's own certificate authority: no certificate of the cluster's opens etcd.
    EtcdCa = "etcd-ca";
    /// Who the API server is to aggregated API servers: whom it has signed for says in headers who asks.
    FrontProxyCa = "front-proxy-ca";
    Admin = "admin";
    ApiServer = "kube-apiserver";
    /// The API server towards kubelets.
    ApiServerKubeletClient = "kube-apiserver-kubelet-client";
    /// The API server towards etcd.
    ApiServerEtcdClient = "kube-apiserver-etcd-client";
    /// The API server towards aggregated API servers.
    FrontProxyClient = "front-proxy-client";
    ControllerManager = "kube-controller-manager";
    Scheduler = "kube-scheduler";
    Etcd = "etcd";
    /// The kubelet, as client and as server.
    Node = "node";
    KubeProxy = "kube-proxy";
}

impl Credential {
    /// The certificate authorities.
    pub const AUTHORITIES: [Credential; 3] = [Credential::Ca, Credential::EtcdCa, Credential::FrontProxyCa];

    /// What a worker asks the master for.
    pub const WORKER: [Credential; 2] = [Credential::Node, Credential::KubeProxy];

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
        Self::AUTHORITIES.contains(&self)
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
