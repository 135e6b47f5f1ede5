//! What the kube-proxy costs and how fast it is, side by side with upstream's: the same machine, API server and objects, in turns.
//!
//! 1. [`services`] are written into the API server, several at a time.
//! 2. [`stage`] has one of both in a world of its own, and waits until the kernel's tables are as they have to be. When they
//!    became so is known from [`mark`], which asks the kernel every millisecond; the programs' own words count for nothing.
//! 3. [`iptables_mode`] and [`userspace_mode`] are what is measured. Where the kernel's own time is the least that it can take,
//!    that is measured, too: [`floor`].

mod floor;
mod iptables_mode;
mod mark;
mod process;
mod services;
mod stage;
mod traffic;
mod userspace_mode;

use std::{fmt, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use common::Progress;

pub use self::services::Services;
use self::stage::Bench;
use crate::{
    api::Api,
    programs::Programs,
    world::{Implementation, IptablesVariant},
};

/// A row of the table: both, a sample for each round.
#[derive(Debug, Clone)]
pub struct Row {
    pub what: String,
    pub unit: Unit,
    pub upstream: Vec<f64>,
    pub ours: Vec<f64>,
    /// What it takes at the very least, or gives at the very most; empty where that is not known.
    pub floor: Vec<f64>,
    pub desired: Goal,
}

/// What ours is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// At most this part of upstream's.
    Part(f64),
    /// At least so many times upstream's.
    Times(f64),
    /// At most this.
    AtMost(f64),
    /// It is shown because it belongs to another one.
    Nothing,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Seconds,
    BytesPerSecond,
    PerSecond,
    /// Parts of one core.
    Core,
}

impl Row {
    fn new(what: impl Into<String>, unit: Unit, desired: Goal) -> Row {
        Row { what: what.into(), unit, upstream: vec![], ours: vec![], floor: vec![], desired }
    }

    fn push(&mut self, which: Implementation, sample: f64) {
        match which {
            Implementation::Upstream => self.upstream.push(sample),
            Implementation::Ours => self.ours.push(sample),
        }
    }

    /// Takes in a sample, and tells it.
    fn tell(&mut self, setting: &Bench<'_>, which: Implementation, sample: f64) {
        setting.progress.note(&format!("{}, {which:?}: {}", self.what, self.unit.show(sample)));
        self.push(which, sample);
    }

    /// Ours as a part of upstream's, by the medians.
    pub fn ratio(&self) -> Option<f64> {
        Some(median(&self.ours)? / median(&self.upstream)?)
    }

    /// Whether ours is what it is to be.
    pub fn is_met(&self) -> Option<bool> {
        match self.desired {
            Goal::Part(part) => Some(self.ratio()? <= part),
            Goal::Times(times) => Some(self.ratio()? >= times),
            Goal::AtMost(most) => Some(median(&self.ours)? <= most),
            Goal::Nothing => None,
        }
    }
}

/// The middle one, or what lies between the middle two.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((sorted.get(sorted.len() / 2)? + sorted.get((sorted.len() - 1) / 2)?) / 2.0)
}

impl Unit {
    /// An amount as it stands in the table.
    pub fn show(self, amount: f64) -> String {
        match self {
            Unit::Bytes => format!("{:.1} MB", amount / 1e6),
            Unit::Seconds if amount < 0.01 => format!("{:.2} ms", amount * 1e3),
            Unit::Seconds if amount < 1.0 => format!("{:.0} ms", amount * 1e3),
            Unit::Seconds => format!("{amount:.2} s"),
            Unit::BytesPerSecond => format!("{:.2} GB/s", amount / 1e9),
            Unit::PerSecond => format!("{amount:.0} a second"),
            Unit::Core => format!("{:.2} %", amount * 100.0),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::Part(part) => write!(f, "at most {part:.2} times"),
            Goal::Times(times) => write!(f, "at least {times} times"),
            Goal::AtMost(_) | Goal::Nothing => Ok(()),
        }
    }
}

/// Ours is to be no larger.
const BINARY: f64 = 5e6;

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct FiguresRequest {
    /// How often each is measured.
    pub rounds: usize,
    /// The Services that are there when the least memory is measured.
    pub few: Services,
    /// Those that are created, and that are there in the userspace mode.
    pub many: Services,
    /// Those among which little happens.
    pub most: Services,
    /// How long the userspace mode is idle.
    pub idle: Duration,
}

impl FiguresRequest {
    /// As the figures are desired; idle for two of the periods after which upstream's looks at everything again.
    pub fn whole(rounds: usize) -> FiguresRequest {
        FiguresRequest {
            rounds,
            few: Services { count: 2, endpoints: 3 },
            many: Services { count: 1000, endpoints: 3 },
            most: Services { count: 5000, endpoints: 10 },
            idle: Duration::from_secs(60),
        }
    }
}

/// Measures everything. What is under way is told to `progress`.
pub fn run(programs: &Programs, request: FiguresRequest, progress: &dyn Progress) -> Result<Vec<Row>> {
    let FiguresRequest { rounds, few, many, most, idle } = request;
    let api = &Api::start(programs)?;
    let setting = Bench { api, programs, rounds, progress };
    let mut rows = vec![iptables_mode::resident(&setting, few)?];
    for iptables in [IptablesVariant::Legacy, IptablesVariant::Nft] {
        rows.extend(iptables_mode::create(&setting, many, iptables)?);
    }
    rows.extend(iptables_mode::many_in_place(&setting, most)?);
    many.create(api)?;
    rows.extend(userspace_mode::measure(&setting, many, idle)?);
    rows.push(binary(programs)?);
    Ok(rows)
}

/// The programs as they are in the SWIX, stripped; upstream's is a part of hyperkube.
fn binary(programs: &Programs) -> Result<Row> {
    let size = |path: &Path| -> Result<f64> {
        Ok(fs::metadata(path).with_context(|| format!("there is no {}", path.display()))?.len() as f64)
    };
    let mut row = Row::new("program, stripped", Unit::Bytes, Goal::AtMost(BINARY));
    row.push(Implementation::Upstream, size(&programs.upstream)?);
    row.push(Implementation::Ours, size(&programs.ours)?);
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_figure_is_what_is_wanted_is_told_by_the_medians() {
        let mut row = Row::new("x", Unit::Seconds, Goal::Part(0.5));
        assert_eq!(row.is_met(), None);
        row.upstream = vec![1.0, 2.0, 9.0];
        row.ours = vec![5.0, 1.0];
        assert_eq!((row.ratio(), row.is_met()), (Some(1.5), Some(false)));
        row.desired = Goal::Times(1.5);
        assert_eq!(row.is_met(), Some(true));
        row.desired = Goal::AtMost(2.9);
        assert_eq!(row.is_met(), Some(false));
    }

    #[test]
    fn small_times_are_shown_in_smaller_units() {
        assert_eq!([0.0012, 0.25, 2.5].map(|time| Unit::Seconds.show(time)), ["1.20 ms", "250 ms", "2.50 s"]);
    }
}
