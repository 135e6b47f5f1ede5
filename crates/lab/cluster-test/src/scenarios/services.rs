//! Services of every kind that a rack uses: cluster addresses, node ports from outside, UDP, affinity, and endpoints that
//! come and go.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use devices::Device;
use serde_json::json;

use crate::{
    Scene, Switch,
    asking::{self, Protocol},
    manifest, workload,
};

const NAME: &str = "served";
const NODE_PORT: u16 = 31091;
const UDP_PORT: u16 = 31092;
const STICKY_PORT: u16 = 31093;
/// For pods that have to be started or ended.
const STARTED: Duration = Duration::from_secs(90);
/// How often is asked where every pod has to have answered.
const QUESTIONS: usize = 40;

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    let began = Instant::now();
    let any = [(Protocol::Tcp, NODE_PORT), (Protocol::Udp, UDP_PORT)];
    let objects = [
        workload::deployment(NAME, 3),
        workload::service(NAME, NAME, &any, json!({})),
        workload::service(
            "served-sticky",
            NAME,
            &[(Protocol::Tcp, STICKY_PORT)],
            json!({"sessionAffinity": "ClientIP"}),
        ),
    ];
    scene.step("make a Deployment of three and its Services", |_| manifest::apply(&master, NAME, &objects))?;
    let hosts = scene.hosts();
    let last = hosts.last().context("the topology has no host")?;
    let at: Vec<Ipv4Addr> = scene.worker_nodes().iter().map(|node| node.address).collect();
    // Every host, and every worker that it asks.
    let ways: Vec<(&Device<'_>, Ipv4Addr)> =
        hosts.iter().flat_map(|host| at.iter().map(move |address| (host, *address))).collect();
    scene.step(format!("{} gets its first answer from a node port", last.name()), |scene| {
        let address = *at.last().context("cluster.toml has no worker")?;
        scene.eventually("an answer", STARTED, || asking::by_tcp(last, (address, NODE_PORT).into()))
    })?;
    let how = format!("from creating a Deployment and its Service until {} is answered", last.name());
    scene.figure("a new Service's first answer", began.elapsed().as_secs_f64(), "s", &how);

    scene.step("three pods answer, at the cluster address from every worker", |scene| {
        let questions = vec![(address_of(&master)?, 80).into(); QUESTIONS];
        scene.workers()?.iter().try_for_each(|switch| {
            scene.eventually(&format!("three pods answer {}", switch.name()), STARTED, || {
                three(asking::from_switch(switch, &questions)?.into_iter().collect())
            })
        })
    })?;
    scene.step("and at every worker's node port from every host", |scene| {
        ways.iter().try_for_each(|(host, at)| all_answer(scene, host, (*at, NODE_PORT).into(), Protocol::Tcp))
    })?;
    scene.step("and by UDP", |scene| {
        ways.iter().try_for_each(|(host, at)| all_answer(scene, host, (*at, UDP_PORT).into(), Protocol::Udp))
    })?;
    scene.step("with affinity, a host is answered by one pod alone", |_| {
        ways.iter().try_for_each(|(host, at)| one_answers(host, (*at, STICKY_PORT).into()))
    })?;
    scene.step("without endpoints, a host is refused at once", |scene| {
        scale(&master, 0)?;
        ways.iter().try_for_each(|(host, at)| {
            let what = format!("{} is refused at {at}", host.name());
            scene.eventually(&what, STARTED, || asking::is_refused(host, (*at, NODE_PORT).into()))
        })
    })?;
    scene.step("with endpoints again, it is answered", |scene| {
        scale(&master, 2)?;
        ways.iter().try_for_each(|(host, at)| {
            let what = format!("{} is answered at {at}", host.name());
            scene.eventually(&what, STARTED, || asking::by_tcp(host, (*at, NODE_PORT).into()).map(drop))
        })
    })
}

fn address_of(master: &Switch<'_>) -> Result<Ipv4Addr> {
    let printed = master.kubectl(&["get", "service", NAME, "--output=jsonpath={.spec.clusterIP}"])?;
    printed.parse().with_context(|| format!("{printed:?} is no cluster address"))
}

fn scale(master: &Switch<'_>, replicas: usize) -> Result<()> {
    master.kubectl(&["scale", "deployment", NAME, &format!("--replicas={replicas}")]).map(drop)
}

/// Asks until all three pods have answered.
fn all_answer(scene: &Scene<'_>, from: &Device<'_>, to: SocketAddr, protocol: Protocol) -> Result<()> {
    scene.eventually(&format!("three pods answer {} at {to}", from.name()), STARTED, || {
        three(asking::meet(from, to, protocol, QUESTIONS)?)
    })
}

fn three(met: BTreeSet<String>) -> Result<()> {
    ensure!(met.len() == 3, "these have: {met:?}");
    Ok(())
}

fn one_answers(host: &Device<'_>, to: SocketAddr) -> Result<()> {
    let answers = asking::meet(host, to, Protocol::Tcp, 12)?;
    ensure!(answers.len() == 1, "{} was answered at {to} by {answers:?}", host.name());
    Ok(())
}
