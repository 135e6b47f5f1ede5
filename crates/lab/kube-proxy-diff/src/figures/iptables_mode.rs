//! The iptables mode: memory, how soon what was created is programmed, what a small change costs among many Services, and how
//! soon a restarted one is in sync.

use std::{thread, time::Duration};

use anyhow::Result;

use super::{
    Goal, Row, Unit, floor, process,
    services::Services,
    stage::{Bench, DesiredRules, Side},
};
use crate::world::{BackendMode, Implementation, IptablesVariant};

/// How often an endpoint goes and comes in a round.
const CHANGES: usize = 4;
/// Until a program has waited for the children that it had.
const CHILDREN_END: Duration = Duration::from_millis(700);

/// The memory that a part is to be of upstream's.
const A_TENTH: Goal = Goal::Part(0.1);
const HALF: Goal = Goal::Part(0.5);
const A_FIFTH: Goal = Goal::Part(0.2);
const A_THIRD: Goal = Goal::Part(1.0 / 3.0);

fn memory(services: Services) -> Row {
    let Services { count, endpoints } = services;
    Row::new(format!("resident memory, {count} Services with {endpoints} endpoints"), Unit::Bytes, A_TENTH)
}

/// Memory with few Services.
pub fn resident(setting: &Bench<'_>, services: Services) -> Result<Row> {
    let mut row = memory(services);
    services.create(setting.api)?;
    for which in Bench::order(0) {
        let mut side = setting.side(which, IptablesVariant::Legacy, BackendMode::Iptables)?;
        side.start_with(setting.api, services)?;
        row.tell(setting, which, side.resident()?);
    }
    services.delete(setting.api)?;
    Ok(row)
}

/// The Services are created while it runs: from the last creation until all are programmed. With iptables-legacy, memory, too.
pub fn create(setting: &Bench<'_>, services: Services, iptables: IptablesVariant) -> Result<Vec<Row>> {
    let what = format!(
        "last creation -> programmed, {} Services with {} endpoints, iptables-{iptables}",
        services.count, services.endpoints
    );
    let mut time = Row::new(&what, Unit::Seconds, HALF);
    let mut memory = memory(services);
    for round in 0..setting.rounds {
        for which in Bench::order(round) {
            let mut side = setting.side(which, iptables, BackendMode::Iptables)?;
            let changes = side.changes()?;
            side.start(setting.api)?;
            side.wait(
                &changes,
                &DesiredRules { present: vec!["KUBE-SERVICES".into()], absent: vec![], destinations: Some(0) },
            )?;
            let last = services.create(setting.api)?;
            let programmed = side.wait(&changes, &DesiredRules::all(services))?;
            time.tell(setting, which, programmed.saturating_duration_since(last).as_secs_f64());
            if iptables == IptablesVariant::Legacy {
                memory.tell(setting, which, side.resident()?);
            }
            if which == Implementation::Ours {
                side.stop()?;
                time.floor.push(floor::one_service(&side, services, services.count / 2)?.time.as_secs_f64());
            }
            drop(side);
            services.delete(setting.api)?;
        }
    }
    Ok(if iptables == IptablesVariant::Legacy { vec![memory, time] } else { vec![time] })
}

/// Many Services stay, and little happens: an endpoint goes and comes back; the kube-proxy is killed and started again.
pub fn many_in_place(setting: &Bench<'_>, services: Services) -> Result<Vec<Row>> {
    let among = format!("among {} Services with {} endpoints, iptables-legacy", services.count, services.endpoints);
    let mut memory = memory(services);
    let mut first = Row::new(format!("first start -> in sync, {among}"), Unit::Seconds, Goal::Nothing);
    let mut change = Row::new(format!("one endpoint changes -> programmed, {among}"), Unit::Seconds, A_FIFTH);
    let mut cpu = Row::new(format!("processor time of that, {among}"), Unit::Seconds, A_FIFTH);
    let mut restart = Row::new(format!("restart -> in sync, {among}"), Unit::Seconds, A_THIRD);
    setting.progress.note(&format!("creating {} Services with {} endpoints", services.count, services.endpoints));
    services.create(setting.api)?;
    let mut sides = vec![];
    for which in Bench::order(0) {
        let mut side = setting.side(which, IptablesVariant::Legacy, BackendMode::Iptables)?;
        setting.progress.note(&format!("{which:?} starts"));
        first.tell(setting, which, side.start_with(setting.api, services)?.as_secs_f64());
        side.stop()?;
        sides.push((which, side));
    }
    for round in 0..setting.rounds {
        for which in Bench::order(round) {
            let Some((_, side)) = sides.iter_mut().find(|(of, _)| *of == which) else { continue };
            let index = services.count / 2 + round;
            restart.tell(setting, which, restarted(setting, side, services, index)?.as_secs_f64());
            memory.tell(setting, which, side.resident()?);
            let (time, used) = changed(setting, side, services, index)?;
            for time in time {
                change.tell(setting, which, time.as_secs_f64());
            }
            cpu.tell(setting, which, used.as_secs_f64() / CHANGES as f64);
            side.stop()?;
            if which == Implementation::Ours {
                let least = floor::one_chain(side, services, index)?;
                change.floor.push(least.time.as_secs_f64());
                cpu.floor.push(least.cpu.as_secs_f64());
                restart.floor.push(floor::look_and_write(side, services, index)?.time.as_secs_f64());
            }
        }
    }
    drop(sides);
    services.delete(setting.api)?;
    Ok(vec![memory, first, change, cpu, restart])
}

/// An endpoint goes while nobody proxies; returns how long after the start that is programmed. It is back when this returns.
fn restarted(setting: &Bench<'_>, side: &mut Side, services: Services, index: usize) -> Result<Duration> {
    let changes = side.changes()?;
    setting.api.with_client(|client| services.set_endpoint(client, index, 1, false))?;
    let started = side.start(setting.api)?;
    let programmed = side.wait(&changes, &without(services, index, 1))?;
    let changes = side.changes()?;
    setting.api.with_client(|client| services.set_endpoint(client, index, 1, true))?;
    side.wait(&changes, &DesiredRules::all(services))?;
    Ok(programmed.saturating_duration_since(started))
}

/// An endpoint goes and comes; returns how long each took, and what all of them used.
fn changed(
    setting: &Bench<'_>,
    side: &mut Side,
    services: Services,
    index: usize,
) -> Result<(Vec<Duration>, Duration)> {
    let mut times = vec![];
    let mut used = Duration::ZERO;
    for change in 0..CHANGES {
        let (endpoint, there) = (2, change % 2 == 1);
        let id = side.id()?;
        let before = process::cpu(id)?;
        let changes = side.changes()?;
        let written = setting.api.with_client(|client| services.set_endpoint(client, index, endpoint, there))?;
        let desired = if there { DesiredRules::all(services) } else { without(services, index, endpoint) };
        let programmed = side.wait(&changes, &desired)?;
        thread::sleep(CHILDREN_END);
        used += process::cpu(id)?.saturating_sub(before);
        times.push(programmed.saturating_duration_since(written));
    }
    Ok((times, used))
}

fn without(services: Services, index: usize, endpoint: usize) -> DesiredRules {
    DesiredRules {
        present: vec![],
        absent: vec![services.destination(index, endpoint)],
        destinations: Some(services.destinations() - 1),
    }
}
