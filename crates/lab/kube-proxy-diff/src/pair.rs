//! Upstream and ours side by side: two worlds, the same objects.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, anyhow};

use crate::{
    api::Api,
    objects::{Object, ObjectChange, Transport, endpoints, service},
    programs::Programs,
    world::{BackendMode, Implementation, IptablesVariant, World},
};

/// The objects whose changes are looked for in the rules, to know that all changes before them are there; the second one has no
/// endpoints, so that it is in the table that is written last.
const MARKER: &str = "proof-marker";
const REFUSED_MARKER: &str = "proof-marker-refused";

/// How the userspace mode's endpoints are waited for: they leave no trace in the rules.
const USERSPACE_SETTLES: Duration = Duration::from_millis(1500);

/// How both kube-proxies are run.
#[derive(Debug, Clone, Copy)]
pub struct PairSetting {
    pub iptables: IptablesVariant,
    pub mode: BackendMode,
    pub flags: &'static [&'static str],
}

/// Both worlds.
pub struct Pair {
    pub upstream: World,
    pub ours: World,
    mode: BackendMode,
    generation: AtomicU16,
}

/// The rules of both worlds, as `iptables-save` prints them.
#[derive(Debug, Clone)]
pub struct BothRules {
    pub upstream: String,
    pub ours: String,
}

impl Pair {
    /// Starts both, on an API server without objects of earlier pairs.
    pub fn start(api: &Api, programs: &Programs, setting: PairSetting) -> Result<Pair> {
        api.with_client(|client| client.wipe())?;
        let mut flags = setting.flags.to_vec();
        if setting.mode == BackendMode::Userspace {
            flags.push("--proxy-mode=userspace");
        }
        let world = |name, which| -> Result<World> {
            let mut world = World::new(name, api, setting.iptables)?;
            let program = world.program(which, programs, api, &flags);
            world.start_proxy(&program, api)?;
            Ok(world)
        };
        let upstream = world("upstream", Implementation::Upstream)?;
        let ours = world("ours", Implementation::Ours)?;
        let mut pair = Pair { upstream, ours, mode: setting.mode, generation: AtomicU16::new(0) };
        pair.apply(api, &[])?;
        Ok(pair)
    }

    /// Writes the objects and waits until both have programmed all of them.
    pub fn apply(&mut self, api: &Api, changes: &[ObjectChange]) -> Result<BothRules> {
        let [high, low] = self.generation.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [seen_by_service, seen_by_endpoints, refused] = [99, 98, 97].map(|net| Ipv4Addr::new(10, net, high, low));
        // Services and Endpoints are watched apart, so each kind has its marker.
        let marker = service(MARKER, [10, 10, 255, 1].into()).port("m", Transport::Tcp, 1);
        let marker = marker.external_ips(&[seen_by_service]).build();
        let behind = endpoints(MARKER).subset(&[seen_by_endpoints], &[], &[("m", Transport::Tcp, 1)]).build();
        let of_nobody = service(REFUSED_MARKER, [10, 10, 255, 2].into()).port("m", Transport::Tcp, 1);
        let markers: [Object; 3] = [marker, behind, of_nobody.external_ips(&[refused]).build()];
        api.with_client(|client| {
            client.apply(changes)?;
            client.apply(&markers.map(ObjectChange::Put))
        })?;
        let mut texts = vec![format!("{seen_by_service}/32")];
        if self.mode == BackendMode::Iptables {
            texts.push(format!("{seen_by_endpoints}:1"));
            texts.push(format!("{refused}/32"));
        }
        let (upstream, ours) = thread::scope(|scope| {
            let upstream = scope.spawn(|| self.upstream.wait_for_rules(&texts));
            let ours = self.ours.wait_for_rules(&texts);
            (upstream.join().unwrap_or_else(|_| Err(anyhow!("waiting for upstream panicked"))), ours)
        });
        if self.mode == BackendMode::Userspace {
            thread::sleep(USERSPACE_SETTLES);
        }
        Ok(BothRules { upstream: upstream?, ours: ours? })
    }
}
