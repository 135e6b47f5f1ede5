//! Power cuts at random moments of a boot, and whether the next boot ends well.
//!
//! 1. One switch boots undisturbed; how long that takes is, by default, the range that the moments are in.
//! 2. That switch is cut at later boots, time and again.
//! 3. Another switch in its place, with a new flash, is cut at its first boot, time and again.
//!
//! After each cut the switch is powered on and left alone. It has to become ready, with nothing half-written on its
//! flash, and with every authority, key and object that it had.

use std::{fmt, ops::Range, time::Duration};

use anyhow::{Context, Result, ensure};
use common::stop;
use devices::Flash;

use crate::{
    Switch,
    state::{Reached, State},
    timing::power_on_to_ready,
};

/// The earliest moment after power-on.
const EARLIEST: Duration = Duration::from_millis(300);

/// How much longer than the undisturbed boot the latest moment is.
const BEYOND: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct PowerCutRequest {
    pub first_boots: u32,
    pub later_boots: u32,
    /// The latest moment; none for what a boot that nothing disturbs takes.
    pub latest: Option<Duration>,
    /// How long a boot may take.
    pub limit: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Boot {
    First,
    Later,
}

/// One cut and what came of it.
#[derive(Debug)]
pub struct Cut {
    pub boot: Boot,
    /// From power-on to the cut.
    pub after: Duration,
    /// What was on the flash then.
    pub reached: Reached,
    /// How long the next boot took to be ready; or what went wrong, with the end of the log.
    pub outcome: Result<Duration>,
}

#[derive(Debug)]
pub struct PowerCutReport {
    /// The first boot that nothing disturbed.
    pub undisturbed: Duration,
    pub cuts: Vec<Cut>,
}

impl PowerCutReport {
    pub fn failed(&self) -> impl Iterator<Item = &Cut> {
        self.cuts.iter().filter(|cut| cut.outcome.is_err())
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Boot::First => "first boot",
            Boot::Later => "later boot",
        })
    }
}

/// Of a switch that has just been switched on for the first time, with this on its flash; other switches with the same take
/// its place. Fails only where the lab itself does; what the switch does wrong is in the report. The same random numbers
/// take the same parts of the range.
pub fn run(
    request: &PowerCutRequest,
    switch: &Switch<'_>,
    flash: &Flash,
    random: &mut fastrand::Rng,
    note: &dyn Fn(&str),
) -> Result<PowerCutReport> {
    switch.wait_until_ready(request.limit).context("not even a boot that nothing disturbs ends well")?;
    let undisturbed = power_on_to_ready(&[*switch])?;
    note(&format!("the undisturbed first boot took {:.1} s", undisturbed.as_secs_f64()));
    let moments = EARLIEST..request.latest.unwrap_or(undisturbed + BEYOND);

    let mut cuts = vec![];
    for number in 0..request.later_boots {
        let cut = cut_later_boot(switch, moment(random, &moments), number, request.limit)?;
        note(&cut.to_string());
        // What follows a boot that failed would say nothing.
        let failed = cut.outcome.is_err();
        cuts.push(cut);
        if failed {
            break;
        }
    }
    for _ in 0..request.first_boots {
        switch.replace(flash)?;
        let cut = cut_first_boot(switch, moment(random, &moments), request.limit)?;
        note(&cut.to_string());
        cuts.push(cut);
    }
    Ok(PowerCutReport { undisturbed, cuts })
}

/// As many moments between 1 s and 2 s as between 10 s and 20 s: a boot writes most of its files in its first seconds.
fn moment(random: &mut fastrand::Rng, moments: &Range<Duration>) -> Duration {
    let range = moments.end.div_duration_f64(moments.start);
    moments.start.mul_f64(range.powf(random.f64()))
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cut at {:.2} s ({}): ", self.boot, self.after.as_secs_f64(), self.reached)?;
        match &self.outcome {
            Ok(ready) => write!(f, "ready after {:.1} s", ready.as_secs_f64()),
            Err(_) => f.write_str("did not come back"),
        }
    }
}

fn cut_first_boot(switch: &Switch, after: Duration, limit: Duration) -> Result<Cut> {
    stop::pause(after)?;
    switch.cut_power()?;
    let before = State::copy_of(switch)?;
    let outcome = recover(switch, &before, limit);
    Ok(Cut { boot: Boot::First, after, reached: before.reached, outcome })
}

/// Cuts twice: the switch that runs, right after an object was written, and then its boot.
fn cut_later_boot(switch: &Switch, after: Duration, number: u32, limit: Duration) -> Result<Cut> {
    let name = format!("before-cut-{number}");
    let written = switch.kubectl(&["create", "configmap", &name]);
    switch.cut_power()?;
    switch.power_on()?;
    stop::pause(after)?;
    switch.cut_power()?;
    let before = State::copy_of(switch)?;
    let outcome = written.and_then(|_| recover(switch, &before, limit)).and_then(|ready| {
        switch.kubectl(&["get", "configmap", &name]).context("an object that was written before the cut is lost")?;
        Ok(ready)
    });
    Ok(Cut { boot: Boot::Later, after, reached: before.reached, outcome })
}

fn recover(switch: &Switch, before: &State, limit: Duration) -> Result<Duration> {
    let kept = before.lasting()?;
    switch.power_on()?;
    switch.wait_until_ready(limit)?;
    let ready = power_on_to_ready(&[*switch])?;
    let unfinished = switch.sh("find /mnt/flash -name '.new-*'")?;
    ensure!(unfinished.is_empty(), "unfinished files were left on the flash:\n{unfinished}");
    let after = State::copy_of(switch)?;
    after.check()?;
    let now = after.lasting()?;
    for (name, contents) in &kept {
        ensure!(now.get(name) == Some(contents), "{name} was whole before the cut and is another one now");
    }
    switch.kubectl(&["get", "--raw", "/readyz"])?;
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_takes_the_same_moments_and_half_of_them_are_early() {
        let moments = EARLIEST..Duration::from_secs(30);
        let take = |seed| -> Vec<Duration> {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..1000).map(|_| moment(&mut random, &moments)).collect()
        };
        let taken = take(7);
        assert_eq!(taken, take(7));
        assert!(taken.iter().all(|moment| moments.contains(moment)));
        let early = taken.iter().filter(|moment| **moment < Duration::from_secs(3)).count();
        assert!((400..600).contains(&early), "{early}");
    }
}
