//! What the extension is called, its units, and Kubernetes' services on a switch.

use crate::Stage;

/// The RPM, and the network and the directories that are named after it.
pub const PACKAGE: &str = "kubernetes-on-eos";

constants! { &str:
    /// The bootstrap's own units.
    BOOTSTRAP = "kubernetes-on-eos.service";
    /// Keeps what the bring-up has made.
    RECONCILER = "kubernetes-on-eos-reconciler.service";
    ENROLMENT = "kubernetes-on-eos-enrolment.service";
    RENEWAL = "kubernetes-on-eos-renewal.service";
    RENEWAL_TIMER = "kubernetes-on-eos-renewal.timer";
    SNAPSHOT = "kubernetes-on-eos-snapshot.service";
    SNAPSHOT_TIMER = "kubernetes-on-eos-snapshot.timer";
}

/// What everything of ours that systemd runs is in. A dash in its name would be a slice within another one.
pub const SLICE: &str = "kubernetes.slice";

/// In memory once the extension is removed, until EOS has taken its routes away.
pub const ROUTES_REMOVAL: &str = "remove-kubernetes-routes.service";

/// Every service of Kubernetes, in the order that they are started in, and the stage that starts it.
pub const STARTED_BY: [(&str, Stage); 8] = [
    ("etcd", Stage::Etcd),
    ("kube-apiserver", Stage::ControlPlane),
    ("kube-controller-manager", Stage::ControlPlane),
    ("kube-scheduler", Stage::ControlPlane),
    ("kubelet", Stage::Kubelet),
    ("kube-proxy", Stage::KubeProxy),
    ("cluster-dns", Stage::ClusterDns),
    ("metrics-server", Stage::Metrics),
];
/// The names of all of them, in that order.
pub const NAMES: [&str; STARTED_BY.len()] = {
    let mut names = [""; STARTED_BY.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = STARTED_BY[place].0;
        place += 1;
    }
    names
};

/// Of the services, those of the master.
pub const MASTER: [&str; 5] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "metrics-server"];
