//! The userspace mode, in which the kube-proxy carries the traffic itself: what it takes when nothing happens, how much gets
//! through it, and how soon it serves new connections. While one is measured, the other one is stopped.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    Goal, Row, Unit, process,
    services::Services,
    stage::{Bench, Side},
    traffic,
};
use crate::{
    addresses::{BRIDGE, PODS, Vantage},
    objects::{Object, ObjectChange, Target, Transport, endpoints, service},
    probe::{self, Answer},
    world::{BackendMode, Implementation, IptablesVariant},
};

/// The client is the last pod, the others are endpoints.
const CLIENT: Vantage = Vantage::Pod(3);
const ANSWERING: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 10, 15, 1), 80);
const POURING: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 10, 15, 2), 80);
/// On the node, and no Service: the least that carrying bytes takes.
const SPLICER: SocketAddrV4 = SocketAddrV4::new(BRIDGE, 7071);
/// The port of a world's own servers.
const ANSWERING_PORT: u16 = 8080;

/// Upstream's takes half a minute for a thousand Services.
const TIMEOUT: Duration = Duration::from_secs(180);
const SETTLES: Duration = Duration::from_secs(5);
const TRAFFIC: Duration = Duration::from_secs(3);

/// Ours is to use no more of a core when idle.
const IDLE_CORE: f64 = 0.005;
const THREE_TIMES: Goal = Goal::Times(3.0);
const A_THIRD: Goal = Goal::Part(1.0 / 3.0);

/// Measures it with these Services there already, and two more that lead to servers.
pub fn measure(setting: &Bench<'_>, services: Services, idle_for: Duration) -> Result<Vec<Row>> {
    let with = format!("userspace mode, {} Services", services.count);
    let mut idle = Row::new(format!("{with}: processor, idle"), Unit::Core, Goal::AtMost(IDLE_CORE));
    let mut bytes = Row::new(format!("{with}: throughput"), Unit::BytesPerSecond, THREE_TIMES);
    let mut rate = Row::new(format!("{with}: new connections"), Unit::PerSecond, THREE_TIMES);
    let mut p99 = Row::new(format!("{with}: p99 of new connections"), Unit::Seconds, A_THIRD);
    let objects = write_objects(setting)?;
    let mut sides = vec![];
    for which in Bench::order(0) {
        setting.progress.note(&format!("{which:?} starts: {with}"));
        let mut side = setting.side(which, IptablesVariant::Legacy, BackendMode::Userspace)?;
        traffic::start_source(side.world.netns(Vantage::Pod(0))?, PODS[0])?;
        let source = SocketAddrV4::new(PODS[0], traffic::SOURCE_PORT);
        traffic::start_splicer(side.world.netns(Vantage::Node)?, SPLICER, source)?;
        side.start(setting.api)?;
        wait(&mut side, services)?;
        sides.push((which, side));
    }
    thread::sleep(SETTLES);
    setting.progress.note(&format!("both do nothing: {with}"));
    let used = |sides: &mut Vec<(Implementation, Side)>| -> Result<Vec<(Implementation, Duration)>> {
        sides.iter_mut().map(|(which, side)| Ok((*which, process::cpu(side.id()?)?))).collect()
    };
    let before = used(&mut sides)?;
    thread::sleep(idle_for);
    for ((which, before), (_, after)) in before.into_iter().zip(used(&mut sides)?) {
        idle.tell(setting, which, after.saturating_sub(before).as_secs_f64() / idle_for.as_secs_f64());
    }
    for round in 0..setting.rounds {
        for which in Bench::order(round) {
            for (other, side) in &mut sides {
                signal(side, if *other == which { Signal::CONT } else { Signal::STOP })?;
            }
            let Some((_, side)) = sides.iter().find(|(of, _)| *of == which) else { continue };
            let client = side.world.netns(CLIENT)?;
            bytes.tell(setting, which, traffic::bytes_per_second(client, POURING, TRAFFIC)?);
            let connections = traffic::connections(client, ANSWERING, TRAFFIC)?;
            rate.tell(setting, which, connections.per_second);
            p99.tell(setting, which, connections.p99.as_secs_f64());
            if which == Implementation::Ours {
                bytes.floor.push(traffic::bytes_per_second(client, SPLICER, TRAFFIC)?);
                let server = SocketAddrV4::new(PODS[0], ANSWERING_PORT);
                let direct = traffic::connections(client, server, TRAFFIC)?;
                rate.floor.push(direct.per_second);
                p99.floor.push(direct.p99.as_secs_f64());
            }
        }
    }
    drop(sides);
    setting.api.with_client(|client| client.apply(&objects.map(ObjectChange::Delete)))?;
    Ok(vec![idle, bytes, rate, p99])
}

/// A Service with servers that answer and hang up, and one with a server that pours out bytes.
fn write_objects(setting: &Bench<'_>) -> Result<[Object; 2]> {
    let http = |port| [("http", Transport::Tcp, port)];
    let services = [("figures-answering", ANSWERING), ("figures-pouring", POURING)]
        .map(|(name, address)| service(name, *address.ip()).port("http", Transport::Tcp, address.port()).build());
    let behind = [
        endpoints("figures-answering").subset(&PODS[..3], &[], &http(ANSWERING_PORT)).build(),
        endpoints("figures-pouring").subset(&PODS[..1], &[], &http(traffic::SOURCE_PORT)).build(),
    ];
    let all = behind.into_iter().chain(services.clone()).map(ObjectChange::Put);
    setting.api.with_client(|client| client.apply(&all.collect::<Vec<_>>()))?;
    Ok(services)
}

/// Until all Services have a rule, and those that lead to a server are answered.
fn wait(side: &mut Side, services: Services) -> Result<()> {
    let began = Instant::now();
    loop {
        let nat = side.nat()?;
        let words = nat.split_whitespace().collect::<Vec<_>>();
        let destinations: HashSet<&str> = words.windows(2).filter(|pair| pair[0] == "-d").map(|pair| pair[1]).collect();
        let lacking = (0..services.count).filter(|index| {
            let address = format!("{}/32", services.cluster_ip(*index));
            !destinations.contains(address.as_str())
        });
        let lacking = lacking.count();
        if lacking == 0 && is_answered(side)? {
            return Ok(());
        }
        side.world.proxy()?.check()?;
        if began.elapsed() > TIMEOUT {
            bail!("after {TIMEOUT:?}, {lacking} Services have no rule in the world of {}", side.world.name());
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn is_answered(side: &Side) -> Result<bool> {
    let target = Target { protocol: Transport::Tcp, address: ANSWERING };
    let answers = probe::ask(&side.world, CLIENT, target, 1)?;
    let source = side.world.netns(CLIENT)?.enter(|| TcpStream::connect_timeout(&POURING.into(), SETTLES).is_ok())?;
    Ok(source && answers.keys().all(|answer| matches!(answer, Answer::From { .. })))
}

fn signal(side: &mut Side, signal: Signal) -> Result<()> {
    let id = i32::try_from(side.id()?).ok().and_then(Pid::from_raw).context("a kube-proxy has no process number")?;
    Ok(kill_process(id, signal)?)
}
