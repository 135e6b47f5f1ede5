//! The tables of scenarios, in the order in which they are played. Each leaves the cluster up and ready.

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

use devices::Capability::{CableControl, PowerControl, SocketsOnDevices, SpareSwitch};

use crate::{
    Scenario,
    scenario::Suite,
    wants::Want::{
        CableToWorker, Flanneld, Host, HostAtEachWorker, HostAtMaster, HostsApart, Of, WorkerBesideMaster, Workers,
    },
};

pub const SUITES: [Suite; 1] = [Suite { name: "cluster", scenarios: CLUSTER }];

const CLUSTER: &[Scenario] = &[
    Scenario::new("routing", "OSPF is full, and every switch's loopback answers every host", routing::play),
    Scenario::new(
        "long-lived",
        "hosts connect to each other across the switches before anything is installed, and go on until transit",
        transit::begin_long_lived,
    )
    .needs(&["routing"])
    .wants(&[HostsApart, Of(SocketsOnDevices)]),
    Scenario::new(
        "install",
        "the SWIX installs on every switch and stays listed as an extension",
        install::install,
    )
    .needs(&["routing"]),
    Scenario::new("bring-up", "the switches become the nodes of one cluster by themselves", bring_up::play)
        .needs(&["install"])
        .wants(&[Host, Of(SocketsOnDevices)]),
    Scenario::new(
        "versions",
        "the API server tells every host that it is linux/386, and the kubectl of the build its version",
        control_plane::versions,
    )
    .needs(&["bring-up"])
    .wants(&[Host]),
    Scenario::new("components", "every component of the control plane is healthy", control_plane::components)
        .needs(&["bring-up"]),
    Scenario::new(
        "secrets",
        "etcd holds a Secret encrypted, and the API server gives it back",
        control_plane::secrets,
    )
    .needs(&["bring-up"]),
    Scenario::new("pod-network", "a pod on every worker, and each reaches each, across switches", pods::play)
        .needs(&["bring-up"]),
    Scenario::new(
        "rbac",
        "the API server may reach kubelets, a node may not read others' Secrets, a stranger gets nothing",
        rbac::play,
    )
    .needs(&["pod-network"]),
    Scenario::new(
        "workload",
        "a Deployment spreads over the workers; logs, exec and port-forward work",
        workload::play,
    )
    .needs(&["bring-up"])
    .wants(&[Host]),
    Scenario::new(
        "services",
        "ClusterIP, NodePort from every host at every worker, UDP, affinity, endpoints that come and go",
        services::play,
    )
    .needs(&["pod-network"])
    .wants(&[Host, Of(SocketsOnDevices)]),
    Scenario::new(
        "transit",
        "every packet between hosts that passes through switches arrives, whichever way it goes, and is not tracked",
        transit::transit,
    )
    .needs(&["long-lived", "bring-up"])
    .wants(&[HostsApart, Of(SocketsOnDevices)]),
    Scenario::new("scale", "200 Services and 60 pods on the workers", scale::play).needs(&["services"]),
    Scenario::new(
        "link-cut",
        "a worker whose cable is cut is away, or reached by another path where there is one; repaired, all is as before",
        link_cut::play,
    )
    .needs(&["bring-up"])
    .wants(&[CableToWorker, HostAtMaster, HostAtEachWorker, Of(CableControl), Of(SocketsOnDevices)]),
    Scenario::new(
        "reboot-each",
        "each switch that is rebooted comes back as the node that it was, with its pods",
        reboot::each,
    )
    .needs(&["bring-up"])
    .wants(&[HostAtEachWorker, Of(PowerControl), Of(SocketsOnDevices)]),
    Scenario::new(
        "reboot-all",
        "switches that are all rebooted at once become the same cluster again, with its pods",
        reboot::all,
    )
    .needs(&["bring-up"])
    .wants(&[HostAtEachWorker, Of(PowerControl), Of(SocketsOnDevices)]),
    Scenario::new(
        "worker-replaced",
        "Services do without a worker that died, and another switch of its name takes its place by itself",
        worker_replaced::play,
    )
    .needs(&["bring-up"])
    .wants(&[WorkerBesideMaster, Workers(2), HostAtEachWorker, Of(PowerControl), Of(SpareSwitch), Of(SocketsOnDevices)]),
    Scenario::new(
        "master-away",
        "workers keep serving while the control plane is away, whatever happens to them meanwhile",
        master_away::play,
    )
    .needs(&["bring-up"])
    .wants(&[CableToWorker, HostAtEachWorker, Of(CableControl), Of(SocketsOnDevices)]),
    Scenario::new(
        "upgrade",
        "the next SWIX is installed switch by switch, while the other switches' pods keep answering",
        upgrade::play,
    )
    .needs(&["bring-up"])
    .wants(&[Workers(2), HostAtEachWorker, Of(SocketsOnDevices)]),
    Scenario::new(
        "flannel",
        "pods of different switches reach each other by flannel instead of by static routes",
        flannel::play,
    )
    .needs(&["bring-up"])
    .wants(&[Flanneld, Workers(2), HostAtEachWorker, Of(SocketsOnDevices)]),
    Scenario::new(
        "kernel",
        "conntrack's hash table was left alone on every switch, and no kernel warning was logged",
        kernel::play,
    )
    .needs(&["services"]),
    Scenario::new(
        "uninstall",
        "what the extension leaves on a switch is its flash and nothing else",
        install::uninstall,
    )
    .needs(&["bring-up"])
    .wants(&[Of(PowerControl)]),
];
