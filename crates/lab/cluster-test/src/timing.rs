//! When things happened on a switch, by its own clocks, counted back from now.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use contract::{
    places::STAGE_RECORDS,
    status::{StageState, StageStatus},
};
use devices::Device;

use crate::Switch;

/// The ticks of a second in /proc/PID/stat, on x86 always.
const TICKS: f64 = 100.0;

/// A stage that has ended.
#[derive(Debug, Clone)]
pub struct StageTimes {
    pub stage: StageStatus,
    pub began_before: Duration,
    pub ended_before: Duration,
}

impl Switch<'_> {
    /// The stages that have ended, in the order of the bring-up; of one that was tried again the last time.
    pub fn stage_times(&self) -> Result<Vec<StageTimes>> {
        let stages = self.status()?.stages.into_iter();
        // The last thing that is asked: what is older is as old as it says now.
        let written = self.records()?;
        let ended = stages.filter(|stage| matches!(stage.record.state, StageState::Done | StageState::Failed));
        let times = ended.filter_map(|stage| {
            let (_, age) = written.iter().find(|(name, _)| *name == stage.stage)?;
            let began_before = *age + Duration::try_from_secs_f64(stage.record.seconds).ok()?;
            Some(StageTimes { stage, began_before, ended_before: *age })
        });
        Ok(times.collect())
    }

    /// How long ago the record of each stage was written.
    fn records(&self) -> Result<Vec<(String, Duration)>> {
        let printed = self.sh(&format!("date +%s.%N; find {STAGE_RECORDS} -name '*.json' -printf '%f %T@\\n'"))?;
        ages(&printed).with_context(|| format!("{}'s records cannot be read: {printed}", self.name()))
    }
}

/// From the power-on of the first of these switches to the moment when the last of them was ready.
pub fn power_on_to_ready(switches: &[Switch<'_>]) -> Result<Duration> {
    power_on_and_ready(switches).map(|(on, ready)| ready.saturating_duration_since(on))
}

/// Both moments. A switch is ready when its last stage is done: by its own clocks, however late that is asked.
pub fn power_on_and_ready(switches: &[Switch<'_>]) -> Result<(Instant, Instant)> {
    let moments = switches.iter().map(|switch| {
        let on = ago(age_of_first_process(switch)?)?;
        let last = switch.records()?.into_iter().map(|(_, age)| age).min();
        Ok((on, ago(last.with_context(|| format!("{} has no records of its stages", switch.name()))?)?))
    });
    let (on, ready): (Vec<Instant>, Vec<Instant>) = moments.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let both = on.into_iter().min().zip(ready.into_iter().max());
    both.context("there is no switch to have become ready")
}

fn ago(age: Duration) -> Result<Instant> {
    Instant::now().checked_sub(age).with_context(|| format!("{age:?} ago is before this machine's time"))
}

/// How long ago each record was written: the first line is now, in seconds, and each other one `NAME.json SECONDS`.
fn ages(printed: &str) -> Option<Vec<(String, Duration)>> {
    let mut lines = printed.lines();
    let now: f64 = lines.next()?.trim().parse().ok()?;
    let age = |line: &str| {
        let (file, written) = line.split_once(' ')?;
        let age = (now - written.parse::<f64>().ok()?).max(0.0);
        Some((file.strip_suffix(".json")?.to_owned(), Duration::try_from_secs_f64(age).ok()?))
    };
    lines.map(age).collect()
}

/// For how long a device has been on: the age of its first process.
pub fn age_of_first_process(device: &Device) -> Result<Duration> {
    let printed = device.exec_ok(["cat", "/proc/uptime", "/proc/1/stat"])?;
    age(&printed).with_context(|| format!("what {} says of its first process cannot be read: {printed}", device.name()))
}

fn age(printed: &str) -> Option<Duration> {
    let (uptime, stat) = printed.split_once('\n')?;
    let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
    // Behind the program's name in parentheses; the start is the 22nd of all.
    let started: f64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - started / TICKS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_as_old_as_the_uptime_since_it_began() {
        let printed =
            "13441.80 11063.72\n1 (sd (pam)) S 0 1 1 0 -1 4194560 758 221 1 3 0 1 1 0 20 0 1 0 1344121 29368\n";
        assert_eq!(age(printed).unwrap().as_millis(), 590);
        assert_eq!(age("13441.80 11063.72\n1 (sh) S 0\n"), None);
    }

    #[test]
    fn a_record_is_as_old_as_its_file() {
        let found = ages("1000.500000000\npki.json 990.2500000000\netcd.json 1000.6\n").unwrap();
        assert_eq!(found[0], ("pki".to_owned(), Duration::from_millis(10_250)));
        assert_eq!(found[1].1, Duration::ZERO, "a clock that was set in between gives no negative age");
        assert!(ages("1000.5\nnonsense\n").is_none());
    }
}
