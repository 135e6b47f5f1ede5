//! What only passes through switches is none of their cluster's business: none of it is lost, and none of it is tracked.
//! Hosts connect to each other across switches that have no extension yet, and go on from then on: `transit` ends it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{
    Scene, asymmetry,
    invalid::{self, none_dropped},
    neighbours::{self, EndHost},
    passing::{self, Carried, Passing},
    pinging,
};

const READY: Duration = Duration::from_secs(90);

/// How long traffic goes on after a change.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// What is carried at once takes less.
const FIRST: Duration = Duration::from_secs(1);

pub fn begin_long_lived(scene: &mut Scene<'_>) -> Result<()> {
    let last = neighbours::pairs(scene.lab.topology()).pop().context("no two hosts are beside different switches")?;
    let [one, other] = &last;
    scene.step(format!("{} connects to {}, over TCP and UDP", one.name, other.name), |scene| {
        begin_passing(scene, &last)
    })?;
    if let Some(asymmetry) = asymmetry::find(scene.lab.topology()) {
        scene.step(format!("{asymmetry}, over TCP and UDP"), |scene| {
            asymmetry.while_so(scene, |scene| begin_passing(scene, &asymmetry.hosts))
        })?;
    }
    Ok(())
}

fn begin_passing(scene: &mut Scene<'_>, hosts: &[EndHost; 2]) -> Result<()> {
    let passing = Passing::begin(scene, hosts)?;
    scene.long_lived.push(passing);
    scene.pause(FIRST)
}

pub fn transit(scene: &mut Scene<'_>) -> Result<()> {
    let pairs = neighbours::pairs(scene.lab.topology());
    let last = pairs.last().context("no two hosts are beside different switches")?;
    let bursts = scene.step(format!("{} pairs of hosts connect: every packet arrives", pairs.len()), |scene| {
        none_dropped(scene, |scene| {
            pairs.iter().try_fold(Carried::default(), |sum, pair| Ok(sum + passing::burst(scene, pair)?))
        })
    })?;
    let changes = match asymmetry::find(scene.lab.topology()) {
        Some(asymmetry) => asymmetry.while_so(scene, |scene| {
            let text = asymmetry.to_string();
            through_changes(scene, &asymmetry.hosts, &text)
        })?,
        None => through_changes(scene, last, &format!("{} connects to {}", last[0].name, last[1].name))?,
    };
    let long_lived = scene.step("the connections from before the installation have lost nothing", |scene| {
        let ended = std::mem::take(&mut scene.long_lived).into_iter().map(Passing::end);
        ended.sum::<Result<Carried>>()
    })?;
    untracked(scene, &pairs)?;
    let all = bursts + changes + long_lived;
    let how =
        "between hosts, there and back; every one of them was received, and no rule that drops INVALID packets met one";
    scene.figure("TCP packets that passed through", all.tcp as f64, "", how);
    scene.figure("UDP packets that passed through", all.udp as f64, "", how);
    scene.figure("pings that passed through", all.pings as f64, "", "every one of them was answered");
    Ok(())
}

/// Traffic that begins now, and traffic that kube-proxy and conntrack forget meanwhile.
fn through_changes(scene: &mut Scene<'_>, hosts: &[EndHost; 2], text: &str) -> Result<Carried> {
    let begun = scene.step(format!("{text}: every packet arrives, and every ping is answered"), |scene| {
        none_dropped(scene, |scene| accompanied(scene, hosts, |scene| scene.pause(AFTERWARDS)))
    })?;
    let restarted = scene.step("it goes on while kube-proxy is restarted on every worker", |scene| {
        none_dropped(scene, |scene| {
            accompanied(scene, hosts, |scene| {
                for switch in scene.workers()? {
                    switch.exec_ok(["systemctl", "restart", "kube-proxy"])?;
                }
                scene.wait_until_all_ready(READY)?;
                scene.pause(AFTERWARDS)
            })
        })
    })?;
    let forgotten = scene.step("it goes on while every switch forgets what conntrack knows", |scene| {
        none_dropped(scene, |scene| {
            accompanied(scene, hosts, |scene| {
                scene.switches()?.iter().try_for_each(invalid::forget)?;
                scene.pause(AFTERWARDS)
            })
        })
    })?;
    Ok(begun + restarted + forgotten)
}

/// Does the work while hosts have a connection that begins before, exchange datagrams and ping.
fn accompanied(
    scene: &mut Scene<'_>,
    hosts: &[EndHost; 2],
    work: impl FnOnce(&Scene<'_>) -> Result<()>,
) -> Result<Carried> {
    let [one, other] = hosts;
    let passing = Passing::begin(scene, hosts)?;
    let ((), pings) = pinging::while_pinging(&scene.lab.device(&one.name)?, other.address, || work(scene))?;
    let carried = passing.end()?;
    let (sent, lost) = (pings.0.len(), pings.lost().count());
    ensure!(lost == 0, "of {sent} pings from {} to {}, {lost} were lost", one.name, other.name);
    Ok(Carried { pings: sent, ..carried })
}

/// It is kube-proxy that leaves it untracked, which a master that is no worker has not. A switch whose kernel has no table `raw`
/// has to track everything, and is not asked.
fn untracked(scene: &mut Scene<'_>, pairs: &[[EndHost; 2]]) -> Result<()> {
    let (mut able, mut unable) = (Vec::new(), Vec::new());
    for switch in scene.workers()? {
        match invalid::can_leave_untracked(&switch)? {
            true => able.push(switch),
            false => unable.push(switch.name().to_owned()),
        }
    }
    if !able.is_empty() {
        scene.step("no worker's conntrack knows anything of what passes through", |_| {
            able.iter().try_for_each(|switch| invalid::tracks_none_of(switch, pairs))
        })?;
    }
    if !unable.is_empty() {
        let names = unable.join(", ");
        scene.step(format!("not asked of {names}: without a table raw, the kernel tracks all that passes"), |_| {
            Ok(())
        })?;
    }
    Ok(())
}
