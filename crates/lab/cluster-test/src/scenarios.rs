//! The table of scenarios, in the order in which they are played. Each leaves the cluster up and ready.

mod bring_up;
mod control_plane;
mod flannel;
mod install;
mod kernel;
mod link_cut;
mod master_away;
mod pods;
mod rbac;
mod reboot;
mod routing;
mod scale;
mod services;
mod transit;
mod upgrade;
mod worker_replaced;
mod workload;

use crate::Scenario;

pub const ALL: &[Scenario] = &[
    Scenario::new("routing", "OSPF is full, and every switch's loopback answers every host", &[], routing::play),
    Scenario::new(
        "long-lived",
        "hosts connect to each other across the switches before anything is installed, and go on until transit",
        &["routing"],
        transit::begin_long_lived,
    ),
    Scenario::new(
        "install",
        "the SWIX installs on every switch and stays listed as an extension",
        &["routing"],
        install::install,
    ),
    Scenario::new(
        "bring-up",
        "the switches become the nodes of one cluster by themselves",
        &["install"],
        bring_up::play,
    ),
    Scenario::new(
        "versions",
        "the API server tells every host that it is linux/386, and the kubectl of the build its version",
        &["bring-up"],
        control_plane::versions,
    ),
    Scenario::new(
        "components",
        "every component of the control plane is healthy",
        &["bring-up"],
        control_plane::components,
    ),
    Scenario::new(
        "secrets",
        "etcd holds a Secret encrypted, and the API server gives it back",
        &["bring-up"],
        control_plane::secrets,
    ),
    Scenario::new(
        "pod-network",
        "a pod on every worker, and each reaches each, across switches",
        &["bring-up"],
        pods::play,
    ),
    Scenario::new(
        "rbac",
        "the API server may reach kubelets, a node may not read others' Secrets, a stranger gets nothing",
        &["pod-network"],
        rbac::play,
    ),
    Scenario::new(
        "workload",
        "a Deployment spreads over the workers; logs, exec and port-forward work",
        &["bring-up"],
        workload::play,
    ),
    Scenario::new(
        "services",
        "ClusterIP, NodePort from every host at every worker, UDP, affinity, endpoints that come and go",
        &["pod-network"],
        services::play,
    ),
    Scenario::new(
        "transit",
        "every packet between hosts that passes through switches arrives, whichever way it goes, and is not tracked",
        &["long-lived", "bring-up"],
        transit::transit,
    ),
    Scenario::new("scale", "200 Services and 60 pods on three switches", &["services"], scale::play),
    Scenario::new(
        "link-cut",
        "a worker whose cable is cut is away, or reached by another path where there is one; repaired, all is as before",
        &["bring-up"],
        link_cut::play,
    ),
    Scenario::new(
        "reboot-each",
        "each switch that is rebooted comes back as the node that it was, with its pods",
        &["bring-up"],
        reboot::each,
    ),
    Scenario::new(
        "reboot-all",
        "switches that are all rebooted at once become the same cluster again, with its pods",
        &["bring-up"],
        reboot::all,
    ),
    Scenario::new(
        "worker-replaced",
        "Services do without a worker that died, and another switch of its name takes its place by itself",
        &["bring-up"],
        worker_replaced::play,
    ),
    Scenario::new(
        "master-away",
        "workers keep serving while the control plane is away, whatever happens to them meanwhile",
        &["bring-up"],
        master_away::play,
    ),
    Scenario::new(
        "upgrade",
        "the next SWIX is installed switch by switch, while the other switches' pods keep answering",
        &["bring-up"],
        upgrade::play,
    ),
    Scenario::new(
        "flannel",
        "pods of different switches reach each other by flannel instead of by static routes",
        &["bring-up"],
        flannel::play,
    ),
    Scenario::new(
        "kernel",
        "conntrack's hash table was left alone on every switch, and no kernel warning was logged",
        &["services"],
        kernel::play,
    ),
    Scenario::new(
        "uninstall",
        "what the extension leaves on a switch is its flash and nothing else",
        &["bring-up"],
        install::uninstall,
    ),
];
