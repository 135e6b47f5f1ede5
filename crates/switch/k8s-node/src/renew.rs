//! What the timer does every hour: every stage of the bring-up once more, so that certificates that are due are issued again and all
//! else is as cluster.toml wants it. Only services that do not read a new file by themselves are restarted, one after the other.
//!
//! The timer calls this on all switches of a cluster at the same moment, as they are powered on together. So for it a worker
//! waits for its turn before it asks the master: the time by its place in cluster.toml, the same at every boot and after
//! whatever happens to the timer. A switch whose certificates are not due asks nobody and waits for nothing.

use std::{path::Path, thread, time::Duration};

use anyhow::{Context, Result, bail};
use cluster::{Cluster, Node};
use contract::{places, services};

use crate::{stage, switch::Switch, systemd};

/// The turns of a cluster's switches lie within this time.
const TURNS: Duration = Duration::from_secs(15 * 60);

/// `in_turn` is for the timer; a person who asks is served at once.
pub fn run(in_turn: bool) -> Result<()> {
    require_up()?;
    if in_turn {
        wait_for_turn()?;
    }
    match stage::run_all() {
        Ok(None) => {
            println!("the bring-up is at work, and renews what is due: see `k8s-node status`");
            Ok(())
        }
        done => ended(done.map(drop)),
    }
}

/// For who has changed what certificates are made of: a bring-up that is at work may have been past that. It fails where that one does
/// not let go within `limit`.
pub fn run_for_a_change(limit: Duration) -> Result<()> {
    require_up()?;
    let turn = stage::turn_within(limit).context(
        "nothing was issued again yet, as a stage of the bring-up is at work: when `k8s-node status` says that it is done, `k8s-node renew`",
    )?;
    ended(stage::run_all_in(turn))
}

fn require_up() -> Result<()> {
    if !Path::new(places::STAGE_RECORDS).exists() {
        bail!(
            "Kubernetes is stopped on this switch: `systemctl start {}` brings it up, and renews what is due",
            services::BOOTSTRAP
        );
    }
    Ok(())
}

fn ended(done: Result<()>) -> Result<()> {
    match done {
        Ok(()) => systemd::forget_failure(services::RENEWAL),
        Err(error) => {
            // It tries again until all is done.
            systemd::restart(services::BOOTSTRAP)?;
            Err(error.context("not everything could be done, and the bring-up begins anew"))
        }
    }
}

/// A cluster.toml that cannot be read is a matter of the stages.
fn wait_for_turn() -> Result<()> {
    let Ok(switch) = Switch::load() else { return Ok(()) };
    if stage::asks_the_master(&switch)? {
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

#[cfg(test)]
mod tests {
    use std::{fmt::Write, fs};

    use rustix::mount::{MountFlags, mount};

    use super::*;
    use crate::test_support::in_mount_namespace;

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
    #[ignore = "needs root, for a mount namespace"]
    fn who_has_changed_something_is_told_where_a_bring_up_has_kept_it_from_being_issued() {
        in_mount_namespace(|| {
            mount("run", "/run", "tmpfs", MountFlags::empty(), None).unwrap();
            fs::create_dir_all(places::STAGE_RECORDS).unwrap();
            let _bring_up = stage::turn_within(Duration::ZERO).unwrap();
            run(false).expect("the hour's renewal leaves it to the bring-up");
            let error = format!("{:#}", run_for_a_change(Duration::from_millis(50)).unwrap_err());
            assert!(error.starts_with("nothing was issued again yet") && error.contains("`k8s-node renew`"), "{error}");
        });
    }

    #[test]
    fn each_switch_has_a_turn_of_its_own_within_a_quarter_of_an_hour() {
        let cluster = cluster(51);
        let turns: Vec<Duration> = cluster.nodes.iter().map(|node| turn(&cluster, node)).collect();
        let apart = turns.windows(2).map(|two| two[1] - two[0]).min().unwrap();
        assert!(apart > Duration::from_secs(17), "{apart:?} between two switches");
        assert!(*turns.last().unwrap() < TURNS);
    }

    /// A span of time that a unit of rootfs/ sets.
    fn span(unit: &str, directive: &str) -> Option<Duration> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../rootfs/usr/lib/systemd/system");
        let text = fs::read_to_string(directory.join(unit)).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(directive)?.strip_prefix('='))?;
        Some(humantime::parse_duration(value).unwrap())
    }

    #[test]
    fn a_renewal_that_hangs_is_ended_behind_the_last_turn_and_before_the_timer_comes_round() {
        let limit = span(services::RENEWAL, "TimeoutStartSec").expect("a oneshot has no limit of its own");
        let period = span(services::RENEWAL_TIMER, "OnUnitActiveSec").unwrap();
        assert!(TURNS * 2 < limit && limit < period, "{limit:?}, {period:?}");
    }
}
