//! What a scenario wants of a topology and of those who bring it up, and whether that is there: decided before anything is
//! brought up.

use std::{collections::BTreeMap, fmt};

use cluster::Cluster;
use devices::{Capabilities, Capability};
use topology::{Topology, format::DeviceKind};

use crate::{Scenario, neighbours, recording};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// So many workers, the master among them where it is one.
    Workers(usize),
    WorkerBesideMaster,
    /// Between the master's switch and a worker's.
    CableToWorker,
    Host,
    HostAtMaster,
    HostAtEachWorker,
    /// Two of them, whose packets to each other pass through switches.
    HostsApart,
    Flanneld,
    /// The first release's.
    FirstSwix,
    /// What the first release left on its switches' flash.
    Recording,
    /// The names and addresses of those whose flash was recorded.
    RecordedSwitches,
    /// The user's word.
    Record,
    Of(Capability),
}

/// What there is.
#[derive(Debug)]
pub struct Offers<'a> {
    pub topology: &'a Topology,
    pub cluster: &'a Cluster,
    pub capabilities: Capabilities,
    /// One was given, or is in the SWIX.
    pub flanneld: bool,
    /// The first release's SWIX is in dist/.
    pub first_swix: bool,
    /// It is there, or is made first.
    pub recording: bool,
    /// The recording is to be made anew.
    pub record: bool,
}

/// Why scenarios cannot be played here, by their names.
pub type Obstacles = BTreeMap<&'static str, String>;

impl Offers<'_> {
    /// A scenario lacks what those lack that it needs.
    pub fn obstacles(&self, scenarios: &[&'static Scenario]) -> Obstacles {
        let mut all = Obstacles::new();
        for scenario in scenarios {
            let missing = scenario.wants.iter().find(|want| !self.has(**want));
            let needed = || scenario.needs.iter().find_map(|need| Some(format!("it needs {need}: {}", all.get(need)?)));
            if let Some(why) = missing.map(|want| format!("it wants {want}")).or_else(needed) {
                all.insert(scenario.name, why);
            }
        }
        all
    }

    fn has(&self, want: Want) -> bool {
        let (topology, cluster) = (self.topology, self.cluster);
        let mut workers = cluster.nodes.iter().filter(|node| node.worker);
        let host_at = |switch: &str| neighbours::host_of(topology, switch).is_some();
        match want {
            Want::Workers(desired) => workers.count() >= desired,
            Want::WorkerBesideMaster => workers.any(|node| !node.master),
            Want::CableToWorker => !neighbours::cables_to_workers(topology, cluster).is_empty(),
            Want::Host => topology.devices.iter().any(|device| device.kind == DeviceKind::Host),
            Want::HostAtMaster => host_at(&cluster.master().name),
            Want::HostAtEachWorker => workers.all(|node| host_at(&node.name)),
            Want::HostsApart => !neighbours::pairs(topology).is_empty(),
            Want::Flanneld => self.flanneld,
            Want::FirstSwix => self.first_swix,
            Want::Recording => self.recording,
            Want::RecordedSwitches => recording::is_of(cluster),
            Want::Record => self.record,
            Want::Of(capability) => self.capabilities.has(capability),
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Want::Workers(desired) => return write!(f, "{desired} workers"),
            Want::WorkerBesideMaster => "a worker beside the master",
            Want::CableToWorker => "a cable between the master's switch and a worker's",
            Want::Host => "an end host",
            Want::HostAtMaster => "an end host beside the master's switch",
            Want::HostAtEachWorker => "an end host beside each worker",
            Want::HostsApart => "end hosts beside different switches, so that something passes through one",
            Want::Flanneld => "a flanneld: that of release 1.12's SWIX, or one for linux/386 by --flanneld FILE",
            Want::FirstSwix => "the first release's SWIX: `cargo xtask first-release` builds it",
            Want::Recording => "the recorded flash of the first release: --record makes it",
            Want::RecordedSwitches => "the switches of the recorded cluster, those of topo/cluster.toml",
            Want::Record => "--record, which writes the recording anew",
            Want::Of(Capability::PowerControl) => "devices that can be switched off and on",
            Want::Of(Capability::CableControl) => "cables that can be cut and repaired",
            Want::Of(Capability::SpareSwitch) => "switches that can be replaced by new ones",
            Want::Of(Capability::SocketsOnDevices) => "end hosts that can be given sockets of ours",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Suite;

    const ALL: [Capability; 4] =
        [Capability::PowerControl, Capability::CableControl, Capability::SpareSwitch, Capability::SocketsOnDevices];

    fn obstacles(suite: &str, topology: &str, cluster: &str, capabilities: &[Capability]) -> Obstacles {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../topo");
        let topology = Topology::load(&directory.join(topology)).unwrap();
        let cluster = Cluster::parse(&std::fs::read_to_string(directory.join(cluster)).unwrap(), cluster).unwrap();
        let capabilities = capabilities.iter().copied().collect();
        let offers = Offers {
            topology: &topology,
            cluster: &cluster,
            capabilities,
            flanneld: false,
            first_swix: false,
            recording: true,
            record: false,
        };
        offers.obstacles(&Suite::named(suite).unwrap().select(&[]).unwrap())
    }

    fn names(obstacles: &Obstacles) -> Vec<&str> {
        obstacles.keys().copied().collect()
    }

    #[test]
    fn on_the_repository_s_topologies_only_these_cannot_be_played() {
        let three = obstacles("cluster", "k8s.yml", "cluster.toml", &ALL);
        assert_eq!(names(&three), ["flannel"]);
        assert!(three["flannel"].contains("--flanneld FILE"), "{three:?}");
        assert_eq!(names(&obstacles("cluster", "leaf-spine.yml", "cluster-leaf-spine.toml", &ALL)), ["flannel"]);
        let one = obstacles("cluster", "one.yml", "cluster-one.toml", &ALL);
        let between_switches = [
            "ca-rotation",
            "flannel",
            "link-cut",
            "long-lived",
            "master-away",
            "names",
            "off-past-certificates",
            "revoked",
            "stranger",
            "transit",
            "upgrade",
            "worker-replaced",
        ];
        assert_eq!(names(&one), between_switches);
        assert_eq!(one["link-cut"], "it wants a cable between the master's switch and a worker's");
        assert_eq!(names(&obstacles("first-boot", "one.yml", "cluster-one.toml", &ALL)), [""; 0]);
        assert!(one["transit"].starts_with("it wants end hosts beside different switches"), "{one:?}");
    }

    #[test]
    fn a_recorded_flash_is_for_the_switches_that_it_is_of_and_the_first_release_has_to_be_there_to_run() {
        let three = obstacles("first-release", "k8s.yml", "cluster.toml", &ALL);
        assert_eq!(names(&three), ["master-first", "record", "workers-first"]);
        assert!(three["master-first"].contains("`cargo xtask first-release` builds it"), "{three:?}");
        let one = obstacles("first-release", "one.yml", "cluster-one.toml", &ALL);
        assert!(one["taken-over"].contains("those of topo/cluster.toml"), "{one:?}");
    }

    #[test]
    fn whoever_cannot_be_switched_off_nor_replaced_is_not_asked_to_be() {
        let real = obstacles("cluster", "k8s.yml", "cluster.toml", &[Capability::SocketsOnDevices]);
        let handled = [
            "backup-restore",
            "flannel",
            "link-cut",
            "master-away",
            "names",
            "off-past-certificates",
            "reboot-all",
            "reboot-each",
            "uninstall",
            "worker-replaced",
        ];
        assert_eq!(names(&real), handled);
        let first_boots = obstacles("first-boot", "k8s.yml", "cluster.toml", &[Capability::PowerControl]);
        assert_eq!(first_boots["components"], "it needs boot: it wants switches that can be replaced by new ones");
        assert_eq!(first_boots.len(), Suite::named("first-boot").unwrap().scenarios.len());
        let nothing = obstacles("cluster", "k8s.yml", "cluster.toml", &[]);
        assert!(nothing["bring-up"].contains("sockets of ours"), "{nothing:?}");
        assert!(nothing["secrets"].starts_with("it needs bring-up: it wants "), "{nothing:?}");
    }
}
