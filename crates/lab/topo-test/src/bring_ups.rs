//! How switches became nodes, stage by stage, for the record.

use std::time::Duration;

use anyhow::Result;
use proof::Switch;

use crate::{
    Scene,
    record::{BringUp, StageSpan},
};

impl Scene<'_> {
    /// Writes down how a switch that is ready became so. `began` is the moment of what it came after, where no stage began before it.
    pub fn record_bring_up(&self, switch: &Switch<'_>, occasion: &str, began: f64) -> Result<()> {
        let times = switch.stage_times()?;
        let now = self.recorder.now();
        let moment = |before: Duration| now - before.as_secs_f64();
        let stages: Vec<StageSpan> = times
            .into_iter()
            .map(|times| StageSpan {
                name: times.stage.stage,
                began: moment(times.began_before),
                ended: moment(times.ended_before),
                line: times.stage.record.line,
            })
            .collect();
        let began = stages.iter().map(|stage| stage.began).fold(began, f64::min);
        let ready = stages.iter().map(|stage| stage.ended).reduce(f64::max);
        let (device, occasion) = (switch.name().to_owned(), occasion.to_owned());
        self.recorder.bring_up(BringUp { device, occasion, began, stages, ready });
        Ok(())
    }
}
