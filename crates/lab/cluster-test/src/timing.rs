//! When things happened on a switch, by its own clocks, counted back from now.

use std::time::Duration;

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
        let printed = self.sh(&format!("date +%s.%N; find {STAGE_RECORDS} -name '*.json' -printf '%f %T@\\n'"))?;
        let written = ages(&printed).with_context(|| format!("{}'s records cannot be read: {printed}", self.name()))?;
        let stages = self.status()?.stages.into_iter();
        let ended = stages.filter(|stage| matches!(stage.record.state, StageState::Done | StageState::Failed));
        let times = ended.filter_map(|stage| {
            let (_, age) = written.iter().find(|(name, _)| *name == stage.stage)?;
            let began_before = *age + Duration::try_from_secs_f64(stage.record.seconds).ok()?;
            Some(StageTimes { stage, began_before, ended_before: *age })
        });
        Ok(times.collect())
    }
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
