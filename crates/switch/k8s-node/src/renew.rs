//! Certificates that are due are issued again, and only the services that do not read them by themselves are restarted,
//! one after the other, each healthy before the next.
//!
//! The timer calls this on all switches of a cluster at the same moment, as they are powered on together. So for it a worker
//! waits for its turn before it asks the master: the time by its place in cluster.toml, the same at every boot and after
//! whatever happens to the timer. A switch whose certificates are not due asks nobody and waits for nothing.

use std::{thread, time::Duration};

use anyhow::{Context, Result};
use cluster::{Cluster, Node, units::Docker};
use common::retry;

use crate::{containers, health, service, stage, switch::Switch};

const LIMIT: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(500);

/// The turns of a cluster's switches lie within this time.
const TURNS: Duration = Duration::from_secs(15 * 60);

/// `in_turn` is for the timer; a person who asks is served at once.
pub fn run(in_turn: bool) -> Result<()> {
    if in_turn {
        wait_for_turn(&Switch::load()?)?;
    }
    // Loaded after the wait: cluster.toml may have been changed meanwhile.
    let switch = Switch::load()?;
    println!("certificates: {}", stage::renew_certificates(&switch).context("cannot renew certificates")?);
    println!("kubeconfigs: {}", stage::renew_kubeconfigs(&switch)?);
    for name in service::of(&switch) {
        let driver = if name == "kubelet" { Some(containers::cgroup_driver()?) } else { None };
        let docker = driver.as_deref().map(|cgroup_driver| Docker { cgroup_driver });
        let outcome = service::ensure(name, &switch, docker)?;
        println!("{name} {outcome}");
        if outcome != service::ServiceChange::Kept {
            wait_for(name)?;
        }
    }
    Ok(())
}

fn wait_for_turn(switch: &Switch) -> Result<()> {
    if stage::asks_the_master(switch)? {
        let turn = turn(&switch.cluster, &switch.node);
        println!("certificates: due; it is this switch's turn to ask the master in {} s", turn.as_secs());
        thread::sleep(turn);
    }
    Ok(())
}

/// How long after the others' timers this one asks the master.
fn turn(cluster: &Cluster, node: &Node) -> Duration {
    let before = cluster.nodes.iter().take_while(|other| other.name != node.name).count();
    TURNS.mul_f64(before as f64 / cluster.nodes.len() as f64)
}

fn wait_for(name: &str) -> Result<()> {
    retry::until(&format!("{name} is healthy after its restart"), LIMIT, PAUSE, || Ok(health::service(name)?))
        .with_context(|| format!("see `k8s-node logs {name}`"))
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write, fs, path::Path};

    use contract::services;

    use super::*;

    fn cluster(switches: usize) -> Cluster {
        let mut text = String::from("[cluster]\nservice_cidr = \"10.10.0.0/22\"\npod_cidr = \"10.16.0.0/16\"\n");
        for number in 0..switches {
            let role = if number == 0 { "master" } else { "worker" };
            let node = format!("[[node]]\nname = \"s{number}\"\naddress = \"1.1.1.{number}\"\nroles = [\"{role}\"]\n");
            text.push_str(&node);
        }
        writeln!(text, "[join]\ntoken = \"9f86d081884c7d659a2feaa0c55ad015\"").unwrap();
        Cluster::parse(&text, "cluster.toml").unwrap()
    }

    #[test]
    fn each_switch_has_a_turn_of_its_own_within_a_quarter_of_an_hour() {
        let cluster = cluster(51);
        let turns: Vec<Duration> = cluster.nodes.iter().map(|node| turn(&cluster, node)).collect();
        let apart = turns.windows(2).map(|two| two[1] - two[0]).min().unwrap();
        assert!(apart > Duration::from_secs(17), "{apart:?} between two switches");
        assert!(*turns.last().unwrap() < TURNS);
    }

    #[test]
    fn the_last_turn_is_over_before_the_timer_comes_round() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../rootfs/usr/lib/systemd/system");
        let timer = fs::read_to_string(directory.join(services::RENEWAL_TIMER)).unwrap();
        let period = timer.lines().find_map(|line| line.strip_prefix("OnUnitActiveSec=")).unwrap();
        assert!(TURNS + LIMIT < humantime::parse_duration(period).unwrap());
    }
}
