//! The reason for this project: what upstream's kube-proxy does to the size of conntrack's hash table at its start, ours never does.

use std::{
    thread,
    time::{Duration, Instant},
};

use kube_proxy_diff::{
    addresses::Vantage,
    api::Api,
    crash_trap::{HASH_SIZE_BEFORE, Trap},
    objects::{ObjectChange, Transport, service},
    programs::Programs,
    world::{Implementation, IptablesVariant, World},
};

use crate::support::start;

/// Upstream's defaults.
const ASKED: [&str; 4] = [
    "--conntrack-max-per-core=32768",
    "--conntrack-min=131072",
    "--conntrack-tcp-timeout-established=24h",
    "--conntrack-tcp-timeout-close-wait=1h",
];

const TIMEOUT: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs root, iptables, network namespaces and the SWIX in dist/"]
fn upstream_steps_into_the_crash_trap_and_ours_does_not_in_any_mode() {
    let (programs, api) = start();
    let there = service("trap", [10, 10, 9, 1].into()).port("web", Transport::Tcp, 80).build();
    api.with_client(|client| client.apply(&[ObjectChange::Put(there)])).unwrap();

    // In the SWIX, upstream is patched to leave the size alone unless it is told not to; this is how it is without the patch.
    let unpatched: Vec<&str> = ASKED.into_iter().chain(["--conntrack-resize-hashsize"]).collect();
    let (mut world, trap) = run(&api, &programs, Implementation::Upstream, &unpatched);
    let began = Instant::now();
    while trap.hash_size().unwrap() == HASH_SIZE_BEFORE {
        let log = world.proxy().unwrap().log_tail();
        assert!(began.elapsed() < TIMEOUT, "upstream did not step into it, so the trap shows nothing:\n{log}");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(trap.hash_size().unwrap(), "32768");
    assert!(trap.was_opened_for_writing().unwrap());

    let (mut world, trap) = run(&api, &programs, Implementation::Upstream, &ASKED);
    world.wait_for_rules(&["10.10.9.1/32".to_owned()]).unwrap();
    assert!(!trap.was_opened_for_writing().unwrap(), "the patch of upstream does not hold");

    for mode in ["--proxy-mode=iptables", "--proxy-mode=userspace"] {
        for asked in [&ASKED[..], &[]] {
            let flags: Vec<&str> = asked.iter().copied().chain([mode]).collect();
            let (mut world, trap) = run(&api, &programs, Implementation::Ours, &flags);
            world.wait_for_rules(&["10.10.9.1/32".to_owned()]).unwrap();
            assert_eq!(trap.hash_size().unwrap(), HASH_SIZE_BEFORE, "{flags:?}");
            assert!(!trap.was_opened_for_writing().unwrap(), "{flags:?}");
            let max: u64 = trap.max().unwrap().parse().unwrap();
            assert_eq!(max >= 131_072, !asked.is_empty(), "{flags:?}: the number of connections is {max}");
        }
    }
}

/// A kube-proxy on a node of its own, in the trap.
fn run(api: &Api, programs: &Programs, which: Implementation, flags: &[&str]) -> (World, Trap) {
    let mut world = World::new("trap", api, IptablesVariant::Legacy).unwrap();
    let trap = Trap::set(world.netns(Vantage::Node).unwrap()).unwrap();
    let program = world.program(which, programs, api, flags);
    world.start_proxy_by(trap.command(), &program, api).unwrap();
    (world, trap)
}
