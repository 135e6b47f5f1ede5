//! What the extension is called, its units, and Kubernetes' services on a switch.

/// The RPM, and the network and the directories that are named after it.
pub const PACKAGE: &str = "kubernetes-on-eos";

constants! { &str:
    /// The bootstrap's own units.
    BOOTSTRAP = "kubernetes-on-eos.service";
    ENROLMENT = "kubernetes-on-eos-enrolment.service";
    RENEWAL = "kubernetes-on-eos-renewal.service";
    RENEWAL_TIMER = "kubernetes-on-eos-renewal.timer";
}

/// Every service of Kubernetes, in the order that they are started in.
pub const NAMES: [&str; 6] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"];

/// Of the services, those of the master.
pub const MASTER: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
