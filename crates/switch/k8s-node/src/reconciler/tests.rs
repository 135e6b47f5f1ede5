//! Everything that is kept is taken away at random, again and again, while the machine is busy and others hold the lock of iptables: in
//! a network namespace, with mounts of its own, with the system's own iptables and iproute2. EOS' command line is a fake.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use std::time::{SystemTime, UNIX_EPOCH};

use cluster::Cluster;
use common::netns;
use contract::{
    Stage,
    status::{ReconcilerStatus, StageState},
};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::{events, *};
use crate::{desired::Desired, record, switch::Switch, test_support::in_mount_namespace};

const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");

/// How often each kind of thing is taken away.
const REMOVALS: &str = "KOE_REMOVALS";
const BY_DEFAULT: usize = 10;

/// What is wanted of one repair in a hundred and of none.
const P99: Duration = Duration::from_secs(5);
/// No repair takes so long by any measure.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// What a kind is tried by: things to take away, and whether all are there.
struct Trial {
    kind: Kept,
    removals: &'static [&'static str],
}

const TRIALS: [Trial; 6] = [
    Trial {
        kind: Kept::Firewall,
        removals: &[
            "iptables -w 60 -D INPUT -j KOE-INPUT",
            "iptables -w 60 -F KOE-FORWARD",
            "iptables -w 60 -t nat -F",
            "iptables -w 60 -F",
        ],
    },
    Trial { kind: Kept::Sysctls, removals: &["dd status=none of=/proc/sys/net/ipv4/ip_forward if=/run/zero"] },
    Trial {
        kind: Kept::Bridge,
        removals: &[
            "ip link delete kube0",
            "ip address flush dev kube0",
            "ip link set veth-a nomaster",
            "ip link set kube0 down",
        ],
    },
    Trial { kind: Kept::ServiceRoute, removals: &["ip route del 10.10.0.0/22", "ip link set lo down"] },
    Trial { kind: Kept::Routes, removals: &["FastCli no"] },
    Trial { kind: Kept::Mounts, removals: &["umount PROGRAMS"] },
];

fn run(line: &str) -> bool {
    let mut words = line.split(' ');
    Command::new(words.next().unwrap()).args(words).stderr(std::process::Stdio::null()).status().unwrap().success()
}

fn program(file: &str, text: &str) {
    fs::create_dir_all(Path::new(file).parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn empty(directory: &str) {
    fs::create_dir_all(directory).unwrap();
    mount("tmpfs", directory, "tmpfs", MountFlags::empty(), None).unwrap();
}

/// A switch that has come up, and nothing on it of the machine's own.
fn switch(network: &str) -> View {
    for directory in ["/run", "/mnt", "/opt", "/usr/libexec", "/usr/local/bin"] {
        empty(directory);
    }
    netns::unshare().unwrap();
    fs::write("/run/zero", "0").unwrap();
    for stage in [Stage::Prepare, Stage::Firewall, Stage::Cni, Stage::Routes] {
        record::write(stage, StageState::Done, "", SystemTime::now()).unwrap();
    }
    fs::create_dir_all(places::PROGRAMS).unwrap();
    program(places::PROGRAMS_SCRIPT, &format!("#!/bin/sh\nexec mount -t tmpfs tmpfs {}\n", places::PROGRAMS));
    // Of the two, the one that has a lock.
    for name in ["iptables", "iptables-save", "iptables-restore"] {
        let legacy = Path::new("/usr/sbin").join(name.replacen("iptables", "iptables-legacy", 1));
        if legacy.exists() {
            symlink(legacy, Path::new("/usr/local/bin").join(name)).unwrap();
        }
    }
    // A fake: it has a static route as soon as it is told to, and loses it again.
    program(
        "/usr/local/bin/FastCli",
        "#!/bin/sh\n[ \"$1\" != no ] || exec ip route del 10.16.1.0/24\n\
         case $5 in\n*'ip route 10.16.1.0/24 2.2.2.2') ip route replace 10.16.1.0/24 via 10.0.0.2;;\n\
         *'ip route 10.16.2.0/24 3.3.3.3') ip route replace 10.16.2.0/24 via 10.0.0.2;;\nesac\n",
    );
    for line in [
        "ip link set lo up",
        "ip link add Et1 type veth peer name far",
        "ip link set Et1 up",
        "ip link set far up",
        "ip address add 10.0.0.1/24 dev Et1",
        "ip link add veth-a type veth peer name veth-b",
    ] {
        assert!(run(line), "{line}");
    }
    let cluster = Cluster::parse(&format!("{CLUSTER}\n{network}"), "cluster.toml").unwrap();
    let node = cluster.node("veos-b").unwrap().clone();
    let done = vec![Stage::Prepare, Stage::Firewall, Stage::Cni, Stage::Routes];
    View { switch: Some(Arc::new(Switch { cluster, node })), done, ..View::default() }
}

fn are_well(desired: &mut [Box<dyn Desired>]) -> bool {
    desired.iter_mut().all(|desired| desired.wrong().is_ok_and(|wrong| wrong.is_empty()))
}

fn all_is_well(view: &View, kind: Kept) -> bool {
    are_well(&mut view.desired(kind).unwrap())
}

fn until_well(view: &View, kind: Kept) -> Duration {
    let mut desired = view.desired(kind).unwrap();
    let begun = Instant::now();
    while !are_well(&mut desired) {
        assert!(begun.elapsed() < GIVEN_UP, "{kind} stays wrong");
        thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

/// Whoever changes iptables meanwhile, for up to two seconds at a time.
fn hold_the_lock(ended: &AtomicBool) {
    let file = File::create("/run/xtables.lock").unwrap();
    while !ended.load(Ordering::Relaxed) {
        file.lock().unwrap();
        thread::sleep(Duration::from_millis(by_the_clock(2000)));
        file.unlock().unwrap();
        thread::sleep(Duration::from_millis(by_the_clock(500)));
    }
}

/// A number below that, by the clock: no test depends on which.
fn by_the_clock(below: u64) -> u64 {
    u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros()) % below
}

fn waits_of(view: &View, trial: &Trial, removals: usize) -> Vec<Duration> {
    let take_away = |number: usize| {
        thread::sleep(Duration::from_millis(by_the_clock(400)));
        let line = trial.removals[number % trial.removals.len()].replace("PROGRAMS", places::PROGRAMS);
        assert!(run(&line), "{line}");
        if line == "ip link set lo down" {
            run("ip link set lo up");
        }
        until_well(view, trial.kind)
    };
    let mut waits: Vec<Duration> = (0..removals).map(take_away).collect();
    waits.sort();
    waits
}

#[test]
#[ignore = "needs root, for network and mount namespaces, iptables and iproute2"]
fn whatever_is_taken_away_comes_back_within_seconds_under_load_and_beside_others_at_iptables() {
    let removals = std::env::var(REMOVALS).map_or(BY_DEFAULT, |number| number.parse().unwrap());
    in_mount_namespace(|| {
        let view = switch("");
        let endless = Patience { repairs: usize::MAX, within: Duration::from_secs(1) };
        let ledger = Ledger::read(PathBuf::from(places::RECONCILER_RECORD), endless);
        let kinds = TRIALS.map(|trial| trial.kind);
        let again = View { switch: view.switch.clone(), done: view.done.clone(), ..View::default() };
        let shared = Arc::new(Shared::new(again, ledger));
        let wakes = start(&shared, &kinds).unwrap();
        // The connection of a pod is made by others.
        until_well(&view, Kept::Bridge);
        assert!(run("ip link set veth-a master kube0"));
        thread::spawn(move || events::run(&shared, &wakes).unwrap());
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| hold_the_lock(&ended));
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            for kind in kinds {
                until_well(&view, kind);
            }
            let view = &view;
            let tried = TRIALS.map(|trial| (trial.kind, scope.spawn(move || waits_of(view, &trial, removals))));
            let waits = tried.map(|(kind, thread)| (kind, thread.join()));
            ended.store(true, Ordering::Relaxed);
            for (kind, waits) in waits {
                let waits = waits.unwrap();
                let p99 = waits[(waits.len() * 99).div_ceil(100) - 1];
                let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
                println!("{kind}: {removals} removals: median {median:.2?}, p99 {p99:.2?}, longest {longest:.2?}");
                assert!(p99 < P99, "{kind}: {p99:?}");
            }
        });
        unmount(places::PROGRAMS, UnmountFlags::DETACH).unwrap();
    });
}

#[test]
#[ignore = "needs root, for network and mount namespaces, iptables and iproute2"]
fn an_operator_who_takes_it_away_again_and_again_has_it_so() {
    in_mount_namespace(|| {
        let view = switch("");
        let ledger = Ledger::read(PathBuf::from(places::RECONCILER_RECORD), Patience::USUAL);
        let again = View { switch: view.switch.clone(), done: view.done.clone(), ..View::default() };
        let shared = Arc::new(Shared::new(again, ledger));
        let wakes = start(&shared, &[Kept::Firewall]).unwrap();
        // The first one finds nothing there.
        for _ in 0..3 {
            until_well(&view, Kept::Firewall);
            // The repair is recorded behind it.
            thread::sleep(Duration::from_millis(300));
            assert!(run("iptables -w 60 -F KOE-INPUT"));
        }
        let begun = Instant::now();
        while recorded().given_up.is_empty() {
            assert!(begun.elapsed() < GIVEN_UP, "it is not given up");
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(Duration::from_secs(3));
        let mut things = view.desired(Kept::Firewall).unwrap();
        assert_eq!(things[0].wrong().unwrap(), ["KOE-INPUT"], "it was repaired a fourth time, or more is wrong");
        shared.ledger().take_up_again();
        wake(&wakes, Kept::Firewall);
        until_well(&view, Kept::Firewall);
    });
}

#[test]
#[ignore = "needs root, for network and mount namespaces, iptables and iproute2"]
fn what_others_put_before_ours_whenever_they_start_is_no_quarrel() {
    in_mount_namespace(|| {
        let view = switch("");
        let ledger = Ledger::read(PathBuf::from(places::RECONCILER_RECORD), Patience::USUAL);
        let again = View { switch: view.switch.clone(), done: view.done.clone(), ..View::default() };
        let shared = Arc::new(Shared::new(again, ledger));
        let _wakes = start(&shared, &[Kept::Firewall]).unwrap();
        until_well(&view, Kept::Firewall);
        thread::sleep(Duration::from_millis(300));
        let before = recorded();
        for _ in 0..=Patience::USUAL.repairs {
            assert!(run("iptables -w 60 -I INPUT 1 -i kubelet -j ACCEPT"));
            until_well(&view, Kept::Firewall);
        }
        thread::sleep(Duration::from_millis(300));
        let now = recorded();
        assert!(now.given_up.is_empty());
        let counted = |status: &ReconcilerStatus| status.repaired.iter().map(|one| one.times).sum::<u64>();
        assert_eq!(counted(&now), counted(&before));
    });
}

#[test]
#[ignore = "needs root, for network and mount namespaces, and iproute2"]
fn the_overlay_is_kept_whole_and_no_route_of_eos_beside_it() {
    const TAKEN_AWAY: [&str; 5] = [
        "ip link delete kube-vxlan",
        "ip link set kube-vxlan down",
        "ip link set kube-vxlan mtu 1300",
        "ip address flush dev kube-vxlan",
        "ip route del 10.16.1.0/24 dev kube-vxlan",
    ];
    in_mount_namespace(|| {
        let view = switch("[network]\nbackend = \"vxlan\"\n");
        // While nobody repairs it.
        for removal in TAKEN_AWAY {
            view.desired(Kept::Routes).unwrap().iter_mut().for_each(|desired| drop(desired.ensure().unwrap()));
            assert!(run(removal), "{removal}");
            assert!(!all_is_well(&view, Kept::Routes), "{removal}: a look sees nothing wrong");
        }
        let endless = Patience { repairs: usize::MAX, within: Duration::from_secs(1) };
        let ledger = Ledger::read(PathBuf::from(places::RECONCILER_RECORD), endless);
        let again = View { switch: view.switch.clone(), done: view.done.clone(), ..View::default() };
        let shared = Arc::new(Shared::new(again, ledger));
        let wakes = start(&shared, &[Kept::Routes]).unwrap();
        thread::spawn(move || events::run(&shared, &wakes).unwrap());
        until_well(&view, Kept::Routes);
        for removal in TAKEN_AWAY {
            thread::sleep(Duration::from_millis(300));
            assert!(run(removal), "{removal}");
            let waited = until_well(&view, Kept::Routes);
            assert!(waited < P99, "{removal}: {waited:?}");
        }
        let routes = Command::new("ip").args(["-4", "route"]).output().unwrap().stdout;
        let routes = String::from_utf8(routes).unwrap();
        assert!(
            routes.contains("10.16.2.0/24 via 10.16.2.1 dev kube-vxlan") && !routes.contains("10.0.0.2"),
            "{routes}"
        );
    });
}
