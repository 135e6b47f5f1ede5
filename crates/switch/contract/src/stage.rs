//! The stages of the bootstrap: one table, which `k8s-node` carries out and `first-boot` lists.

/// Which switches a stage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Both,
    Master,
    Worker,
}

macro_rules! stages {
    ($($stage:ident = $name:literal, $who:ident, [$($need:ident),*], $what:literal;)+) => {
        /// A stage of the bootstrap.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Stage {
            $(#[doc = $what] $stage,)+
        }

        impl Stage {
            /// In the order of the bootstrap.
            pub const ALL: &[Stage] = &[$(Stage::$stage),+];

            pub fn name(self) -> &'static str {
                match self { $(Stage::$stage => $name,)+ }
            }

            pub fn who(self) -> Who {
                match self { $(Stage::$stage => Who::$who,)+ }
            }

            /// The stages before it without which it can do nothing. Whatever else has failed is no obstacle.
            pub fn needs(self) -> &'static [Stage] {
                match self { $(Stage::$stage => &[$(Stage::$need),*],)+ }
            }

            /// What it is there for, for a person.
            pub fn what(self) -> &'static str {
                match self { $(Stage::$stage => $what,)+ }
            }
        }
    };
}

stages! {
    Prepare = "prepare", Both, [], "cluster.toml is right and names this switch, the clock is, kernel modules and forwarding";
    Pki = "pki", Both, [Prepare], "the master's certificate authorities and certificates; a worker's keys, certificates from the master";
    Enrolment = "enrolment", Master, [Pki], "signs workers' certificates from here on";
    Kubeconfigs = "kubeconfigs", Both, [Pki], "who each component is";
    Encryption = "encryption", Master, [Prepare], "the key that Secrets are stored under";
    Firewall = "firewall", Both, [Prepare], "the ports that others need";
    Reconciler = "reconciler", Both, [Prepare], "keeps all of this as it is from here on, whoever changes it";
    Etcd = "etcd", Master, [Pki], "everything that the cluster knows";
    ControlPlane = "control-plane", Master, [Kubeconfigs, Encryption, Etcd], "API server, controller manager, scheduler";
    Docker = "docker", Worker, [Prepare], "EOS' own Docker is up";
    Images = "images", Worker, [Docker], "the pause image, and every image in /mnt/flash/kubernetes-on-eos/images";
    Cni = "cni", Worker, [Prepare], "the pods' network on this switch";
    Kubelet = "kubelet", Worker, [Kubeconfigs, Images, Cni], "runs this switch's pods";
    KubeProxy = "kube-proxy", Worker, [Kubeconfigs], "leads to Services";
    ClusterDns = "cluster-dns", Worker, [Kubeconfigs], "answers names, for this switch's pods and programs";
    Routes = "routes", Both, [Prepare], "to the pods on the other switches";
    ApiServer = "api-server", Master, [ControlPlane], "waits until the API server answers";
    Rbac = "rbac", Master, [ApiServer], "what the API server may do at the kubelets";
    Metrics = "metrics", Master, [ApiServer], "what `kubectl top` shows";
    Ready = "ready", Both, [ControlPlane, Kubelet, KubeProxy, ClusterDns], "every component is healthy and the node is Ready";
    Renewal = "renewal", Both, [Pki], "the timer that keeps the certificates valid";
}

impl Stage {
    pub fn named(name: &str) -> Option<Stage> {
        Self::ALL.iter().copied().find(|stage| name == stage.name())
    }

    /// A line about it, for a person: what it does, and on which switches where that is not all.
    pub fn about(self) -> String {
        let who = match self.who() {
            Who::Both => "",
            Who::Master => "master: ",
            Who::Worker => "worker: ",
        };
        format!("{who}{}", self.what())
    }
}
