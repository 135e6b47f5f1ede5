//! A cable between the master's switch and a worker's is cut, and repaired. Where another path leads there, OSPF finds it
//! while the cable is cut; where none does, the worker is away that long. Nothing else is lost: not by what does not take
//! the cable, and not after traffic has found its way.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use common::errors;
use devices::Device;

use super::routing;
use crate::{
    Scene, answering,
    neighbours::{self, EndHost},
    passing::Passing,
    pinging::{self, Pings},
};

/// How long the cable is cut, at least.
const CUT: Duration = Duration::from_secs(3);

/// For how long packets may be lost where another path is left.
const REROUTED: Duration = Duration::from_secs(10);

/// How long OSPF may take.
const CONVERGED: Duration = Duration::from_secs(90);

/// An outage is over when this long nothing has been lost.
const QUIET: Duration = Duration::from_secs(1);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    answering::outlived(scene, cut)
}

fn cut(scene: &mut Scene<'_>) -> Result<()> {
    let topology = scene.lab.topology();
    let cables = neighbours::cables_to_workers(topology, scene.cluster);
    let (worker, cable) = cables.last().context("no cable leads from the master's switch to a worker")?;
    let (master, address) = (&scene.cluster.master().name, worker.address);
    let host = scene.host_of(master)?;
    let another = neighbours::another_way(topology, master, &worker.name, cable);
    let elsewhere: Vec<[EndHost; 2]> = neighbours::pairs(topology)
        .into_iter()
        .filter(|[one, other]| !neighbours::may_take(topology, &one.switch, &other.switch, cable))
        .collect();

    let way = if another { "is answered by another path, and by the cable again" } else { "is answered afterwards" };
    let pinged = format!("{} pings {address} while {cable} is cut and repaired, and {way}", host.name());
    let kept = format!("{} pairs of hosts whose packets do not take it lose none", elsewhere.len());
    scene.step(format!("{pinged}; {kept}"), |scene| {
        let connected = elsewhere.iter().map(|pair| Passing::begin(scene, pair)).collect::<Result<Vec<_>>>()?;
        let (cut, pings) =
            pinging::while_pinging(&host, address, || cut_and_restore(scene, &host, address, cable, another))?;
        connected
            .into_iter()
            .try_for_each(|passing| passing.end().map(drop))
            .context("which does not take the cable")?;
        figure(scene, &pings, &cut, another)
    })?;
    scene.step("every worker is Ready", |scene| scene.wait_until_nodes_ready(CONVERGED))
}

/// When a cable was cut. It began before `began`, and was so from `done` to `repaired`.
struct Cut {
    began: Instant,
    done: Instant,
    repaired: Instant,
}

fn cut_and_restore(scene: &Scene<'_>, host: &Device<'_>, to: Ipv4Addr, cable: &str, another: bool) -> Result<Cut> {
    scene.pause(QUIET)?;
    let began = Instant::now();
    scene.lab.cut_link(cable)?;
    let done = Instant::now();
    // By the other path, and long enough to tell what is lost then from what is lost by the repair.
    let found = if another { answers(scene, host, to, REROUTED).and_then(|()| scene.pause(2 * QUIET)) } else { Ok(()) };
    let paused = scene.pause(CUT.saturating_sub(began.elapsed()));
    let repaired = Instant::now();
    // It is repaired whatever was seen.
    errors::both(found.and(paused), scene.lab.restore_link(cable))?;
    answers(scene, host, to, CONVERGED)?;
    routing::all_full(scene)?;
    scene.pause(2 * QUIET)?;
    Ok(Cut { began, done, repaired })
}

fn figure(scene: &Scene<'_>, pings: &Pings, cut: &Cut, another: bool) -> Result<()> {
    let [outage, returned] = outages(pings, cut, another)?;
    let packets = format!("{} packets lost at {} ms spacing", pings.lost().count(), pinging::SPACING.as_millis());
    let (took, how) = if another {
        ensure!(outage <= REROUTED, "{packets}, until {:.1} s after the cut", outage.as_secs_f64());
        let how = "until traffic that had another path was on the repaired cable";
        scene.figure("loss when a link is back", returned.as_secs_f64(), "s", how);
        (outage, "until another path was taken".to_owned())
    } else {
        let during = |(sent, _): &&(Instant, bool)| cut.done <= *sent && *sent < cut.repaired;
        let answered = pings.0.iter().filter(during).filter(|(_, answered)| *answered).count();
        ensure!(answered == 0, "{answered} pings were answered although the only cable was cut");
        let excused = cut.repaired - cut.began;
        (outage.saturating_sub(excused), format!("less the {:.2} s of the cut itself", excused.as_secs_f64()))
    };
    scene.figure("convergence after a link cut", took.as_secs_f64(), "s", &format!("{packets}; {how}"));
    Ok(())
}

/// How long packets were lost after the cut, and how long when traffic took the repaired cable again, where it had another
/// path to leave. Nothing else may be lost.
fn outages(pings: &Pings, cut: &Cut, another: bool) -> Result<[Duration; 2]> {
    let (mut until, mut returned) = (cut.began, None);
    let mut first = Duration::ZERO;
    for lost in pings.lost() {
        let Some(since) = lost.checked_duration_since(cut.began) else { bail!("a packet was lost before the cut") };
        let quiet = lost - until;
        if quiet > QUIET {
            let is_return = another && lost >= cut.repaired && returned.is_none();
            let [since, quiet] = [since, quiet].map(|time| time.as_secs_f64());
            ensure!(
                is_return,
                "{since:.2} s after the cut a packet was lost, though all had been answered for {quiet:.2} s"
            );
            returned = Some(lost);
        }
        until = lost;
        if returned.is_none() {
            first = until - cut.began;
        }
    }
    let second = returned.map_or(Duration::ZERO, |returned| until - returned + pinging::SPACING);
    ensure!(
        second <= QUIET,
        "packets were lost for {:.2} s when traffic took the repaired cable again",
        second.as_secs_f64()
    );
    Ok([first, second])
}

/// Waits until the host is answered.
fn answers(scene: &Scene<'_>, host: &Device<'_>, address: Ipv4Addr, limit: Duration) -> Result<()> {
    scene.eventually(&format!("{address} answers {}", host.name()), limit, || {
        let ping = host.exec(["ping", "-c", "1", "-W", "1", &address.to_string()])?;
        ensure!(ping.status.success(), "it does not");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Pings every 100 ms for ten seconds, which is cut after two and repaired after five; those from one of these moments to the other are lost.
    fn played_with(another: bool, lost: &[(u32, u32)]) -> Result<[u128; 2]> {
        let began = Instant::now();
        let at = |ms: u32| began + MS * ms;
        let pings =
            (0..100).map(|n| (at(n * 100), !lost.iter().any(|(from, to)| (*from..*to).contains(&(n * 100))))).collect();
        let cut = Cut { began: at(2000), done: at(2010), repaired: at(5000) };
        outages(&Pings(pings), &cut, another).map(|outages| outages.map(|outage| outage.as_millis()))
    }

    fn played(lost: &[(u32, u32)]) -> Result<u128> {
        played_with(false, lost).map(|[first, _]| first)
    }

    #[test]
    fn an_outage_ends_with_the_last_packet_that_is_lost() {
        assert_eq!(played(&[]).unwrap(), 0);
        assert_eq!(played(&[(2000, 2300)]).unwrap(), 200);
        assert_eq!(played(&[(2000, 2300), (3000, 3100)]).unwrap(), 1000, "it is not over after less than a second");
        assert_eq!(played(&[(2000, 6000)]).unwrap(), 3900);
    }

    #[test]
    fn a_packet_that_is_lost_before_the_cut_or_after_convergence_is_found() {
        let error = |lost: &[(u32, u32)]| played(lost).unwrap_err().to_string();
        assert_eq!(error(&[(1900, 2300)]), "a packet was lost before the cut");
        let again = "3.00 s after the cut a packet was lost, though all had been answered for 2.80 s";
        assert_eq!(error(&[(2000, 2300), (5000, 5100)]), again);
        assert!(
            error(&[(4000, 4100)]).starts_with("2.00 s after the cut"),
            "the cut itself loses at once, or not at all"
        );
    }

    #[test]
    fn traffic_that_had_another_path_may_lose_something_once_when_it_is_back() {
        let first = (2000, 2300);
        assert_eq!(played_with(true, &[first, (8000, 8300)]).unwrap(), [200, 210]);
        assert_eq!(played_with(true, &[first]).unwrap(), [200, 0]);
        let error = |lost: &[(u32, u32)]| played_with(true, lost).unwrap_err().to_string();
        assert!(error(&[first, (4000, 4100)]).starts_with("2.00 s after the cut"), "the cable is cut still");
        assert!(error(&[first, (6000, 6100), (8000, 8100)]).starts_with("6.00 s after the cut"), "once");
        assert!(error(&[first, (6000, 7500)]).starts_with("packets were lost for 1.41 s"), "and not for long");
    }
}
