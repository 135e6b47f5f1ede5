//! The tables of scenarios, in the order in which they are played. Each leaves the cluster up and ready.

mod backup_restore;
mod bring_up;
mod ca_rotation;
mod control_plane;
mod first_boot;
mod first_release;
mod flannel;
mod install;
mod kernel;
mod limits;
mod link_cut;
mod master_away;
mod names;
mod no_space;
mod off_past_certificates;
mod pods;
mod rbac;
mod reboot;
mod revoked;
mod routing;
mod scale;
mod services;
mod stranger;
mod transit;
mod upgrade;
mod worker_replaced;
mod workload;

pub use self::kernel::Sizes;

use devices::Capability::{CableControl, PowerControl, SocketsOnDevices, SpareSwitch};

use crate::{
    Scenario,
    scenario::Suite,
    wants::Want::{
        self, CableToWorker, FirstSwix, Flanneld, Host, HostAtEachWorker, HostAtMaster, HostsApart, Of, Record,
        RecordedSwitches, Recording, WorkerBesideMaster, Workers,
    },
};

pub const SUITES: [Suite; 3] = [
    Suite { name: "cluster", scenarios: CLUSTER },
    Suite { name: "first-boot", scenarios: FIRST_BOOT },
    Suite { name: "first-release", scenarios: FIRST_RELEASE },
];

// What both prove.
const VERSIONS: Scenario = Scenario::new(
    "versions",
    "the API server tells every host the version and architecture of the SWIX, and the kubectl of the build is of it",
    control_plane::versions,
)
.wants(&[Host]);
const COMPONENTS: Scenario =
    Scenario::new("components", "every component of the control plane is healthy", control_plane::components);
const SECRETS: Scenario =
    Scenario::new("secrets", "etcd holds a Secret encrypted, and the API server gives it back", control_plane::secrets)
        .makes_objects();
const POD_NETWORK: Scenario =
    Scenario::new("pod-network", "a pod on every worker, and each reaches each, across switches", pods::play)
        .makes_objects();
const RBAC: Scenario = Scenario::new(
    "rbac",
    "the API server may reach kubelets, a node may not read others' Secrets, a stranger gets nothing",
    rbac::play,
)
.makes_objects();
const WORKLOAD: Scenario = Scenario::new(
    "workload",
    "a Deployment spreads over the workers; logs, exec and port-forward work",
    workload::play,
)
.makes_objects()
.wants(&[Host]);
const LIMITS: Scenario = Scenario::new(
    "limits",
    "each service has the oom score, the limits and the capabilities of its unit, and pods are not among them",
    limits::play,
)
.makes_objects();
const KERNEL: Scenario = Scenario::new(
    "kernel",
    "conntrack's hash table has the size of before the installation, and no kernel warning was logged",
    kernel::play,
);
const REBOOT_EACH: Scenario = Scenario::new(
    "reboot-each",
    "each switch that is rebooted comes back as the node that it was, with its pods",
    reboot::each,
)
.makes_objects()
.minutes(30)
.wants(&[HostAtEachWorker, Of(PowerControl), Of(SocketsOnDevices)]);
const REBOOT_ALL: Scenario = Scenario::new(
    "reboot-all",
    "switches that are all rebooted at once become the same cluster again, with its pods",
    reboot::all,
)
.makes_objects()
.wants(&[HostAtEachWorker, Of(PowerControl), Of(SocketsOnDevices)]);
const UNINSTALL: Scenario = Scenario::new(
    "uninstall",
    "what the extension leaves on a switch is its flash and nothing else",
    install::uninstall,
)
.wants(&[Of(PowerControl)]);

/// The SWIX is installed by hand on switches that run, and all is tried that a cluster is for.
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
    VERSIONS.needs(&["bring-up"]),
    COMPONENTS.needs(&["bring-up"]),
    SECRETS.needs(&["bring-up"]),
    POD_NETWORK.needs(&["bring-up"]),
    RBAC.needs(&["pod-network"]),
    Scenario::new(
        "stranger",
        "whoever is root on a worker, token and all, gets what that node is, and nothing of another one or the master",
        stranger::play,
    )
    .makes_objects()
    .needs(&["bring-up"])
    .wants(&[Workers(3), Of(SocketsOnDevices)]),
    WORKLOAD.needs(&["bring-up"]),
    LIMITS.needs(&["pod-network"]),
    Scenario::new(
        "services",
        "ClusterIP, NodePort from every host at every worker, UDP, affinity, endpoints that come and go",
        services::play,
    )
    .makes_objects()
    .needs(&["pod-network"])
    .wants(&[Host, Of(SocketsOnDevices)]),
    Scenario::new(
        "transit",
        "every packet between hosts that passes through switches arrives, whichever way it goes, and is not tracked",
        transit::transit,
    )
    .needs(&["long-lived", "bring-up"])
    .wants(&[HostsApart, Of(SocketsOnDevices)]),
    Scenario::new("scale", "200 Services and 60 pods on the workers", scale::play).makes_objects().needs(&["services"]),
    Scenario::new(
        "link-cut",
        "a worker whose cable is cut is away, or reached by another path where there is one; repaired, all is as before",
        link_cut::play,
    )
    .makes_objects()
    .needs(&["bring-up"])
    .wants(&[CableToWorker, HostAtMaster, HostAtEachWorker, Of(CableControl), Of(SocketsOnDevices)]),
    REBOOT_EACH.needs(&["bring-up"]),
    REBOOT_ALL.needs(&["bring-up"]),
    Scenario::new(
        "names",
        "every worker answers names of every kind, to its pods too, and goes on by what it knew without the master",
        names::play,
    )
    .makes_objects()
    .minutes(20)
    .needs(&["pod-network"])
    .wants(&[WorkerBesideMaster, Of(PowerControl), Of(SocketsOnDevices)]),
    Scenario::new(
        "revoked",
        "a worker's credentials get nothing once its name is revoked, nor does it enrol, until that is undone",
        revoked::play,
    )
    .makes_objects()
    .needs(&["bring-up"])
    .wants(&[WorkerBesideMaster, Workers(2)]),
    Scenario::new(
        "worker-replaced",
        "Services do without a worker that died, and another switch of its name takes its place by the operator's word",
        worker_replaced::play,
    )
    .makes_objects()
    .minutes(30)
    .needs(&["bring-up"])
    .wants(&[WorkerBesideMaster, Workers(2), HostAtEachWorker, Of(PowerControl), Of(SpareSwitch), Of(SocketsOnDevices)]),
    Scenario::new(
        "off-past-certificates",
        "a worker that was off past its certificates' end comes back by itself, without a token",
        off_past_certificates::play,
    )
    .needs(&["bring-up"])
    .wants(&[WorkerBesideMaster, Of(PowerControl)]),
    Scenario::new(
        "master-away",
        "workers keep serving while the control plane is away, whatever happens to them meanwhile",
        master_away::play,
    )
    .makes_objects()
    .needs(&["bring-up"])
    .wants(&[CableToWorker, HostAtEachWorker, Of(CableControl), Of(SocketsOnDevices)]),
    Scenario::new(
        "no-space",
        "etcd's quota is full: the status says NOSPACE and what to do, and that cures it",
        no_space::play,
    )
    .makes_objects()
    .minutes(20)
    .needs(&["bring-up"]),
    Scenario::new(
        "backup-restore",
        "another switch becomes the master out of a backup, and the cluster goes on with its Secrets",
        backup_restore::play,
    )
    .makes_objects()
    .minutes(30)
    .needs(&["bring-up"])
    .wants(&[Of(PowerControl), Of(SpareSwitch)]),
    Scenario::new(
        "ca-rotation",
        "the certificate authority is replaced by another one, and Services, pods and administrators go on meanwhile",
        ca_rotation::play,
    )
    .makes_objects()
    .needs(&["bring-up"])
    .wants(&[WorkerBesideMaster, Host, HostAtEachWorker, Of(SocketsOnDevices)]),
    Scenario::new(
        "upgrade",
        "the next SWIX is installed switch by switch, while the other switches' pods keep answering",
        upgrade::play,
    )
    .makes_objects()
    .minutes(30)
    .needs(&["bring-up"])
    .wants(&[Workers(2), HostAtEachWorker, Of(SocketsOnDevices)]),
    Scenario::new(
        "flannel",
        "pods of different switches reach each other by flannel instead of by static routes",
        flannel::play,
    )
    .makes_objects()
    .minutes(30)
    .needs(&["bring-up"])
    .wants(&[Flanneld, Workers(2), HostAtEachWorker, Of(SocketsOnDevices)]),
    KERNEL.needs(&["services"]),
    UNINSTALL.needs(&["bring-up"]),
];

/// The SWIX is on the flash of switches that are switched on for the first time.
const FIRST_BOOT: &[Scenario] = &[
    Scenario::new("boot", "switches that find all on their flash become one cluster by themselves", first_boot::boot)
        .wants(&[Of(SpareSwitch)]),
    COMPONENTS.needs(&["boot"]),
    VERSIONS.needs(&["boot"]),
    SECRETS.needs(&["boot"]),
    POD_NETWORK.needs(&["boot"]),
    RBAC.needs(&["pod-network"]),
    WORKLOAD.needs(&["boot"]),
    LIMITS.needs(&["pod-network"]),
    Scenario::new("again", "a second bring-up finds all as it should be, and changes nothing", first_boot::again)
        .needs(&["boot"]),
    REBOOT_ALL.needs(&["boot"]),
    REBOOT_EACH.needs(&["boot"]),
    Scenario::new(
        "power-cut-each",
        "each switch that loses its power comes back as the node that it was, with its pods",
        reboot::each_by_power_cut,
    )
    .makes_objects()
    .minutes(30)
    .needs(&["boot"])
    .wants(REBOOT_EACH.wants),
    KERNEL.needs(&["pod-network"]),
    UNINSTALL.needs(&["boot"]),
    Scenario::new(
        "clock",
        "certificates of a clock that was a year ahead are issued again for the same authority",
        first_boot::clock::play,
    )
    .wants(ALONE),
    Scenario::new(
        "damage",
        "damaged files are made again, and what cannot be is asked for by name",
        first_boot::damage::play,
    )
    .minutes(30)
    .wants(ALONE),
    Scenario::new(
        "full-flash",
        "a flash that is read-only or full is named, and the bring-up goes on once it is repaired",
        first_boot::full_flash::play,
    )
    .minutes(30)
    .wants(ALONE),
    Scenario::new(
        "power-cuts",
        "a switch whose power is cut while it boots is whole after the next boot",
        first_boot::power_cuts,
    )
    .minutes(60)
    .wants(ALONE),
];

/// Of those that begin with a new switch, and no other one on.
const ALONE: &[Want] = &[Of(SpareSwitch), Of(PowerControl)];

/// What the first release left on its switches' flash is taken over by this one's SWIX. Each begins with new switches.
const FIRST_RELEASE: &[Scenario] = &[
    Scenario::new(
        "record",
        "the first release brings a cluster up, and what it leaves on each switch's flash is recorded",
        first_release::record,
    )
    .wants(&[Record, FirstSwix, RecordedSwitches, Of(SpareSwitch), Of(PowerControl)]),
    Scenario::new(
        "taken-over",
        "switches with a recorded flash of the first release become the cluster that it was, with its Secrets and pods",
        first_release::taken_over,
    )
    .wants(&[Recording, RecordedSwitches, Of(SpareSwitch)]),
    Scenario::new(
        "master-first",
        "so does a master whose workers run the first release, and then they are upgraded",
        first_release::master_first,
    )
    .minutes(30)
    .wants(&[FirstSwix, Recording, RecordedSwitches, Of(SpareSwitch)]),
    Scenario::new(
        "workers-first",
        "so do workers whose master runs the first release, and then it is upgraded",
        first_release::workers_first,
    )
    .minutes(30)
    .wants(&[FirstSwix, Recording, RecordedSwitches, Of(SpareSwitch)]),
];
