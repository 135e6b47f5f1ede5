//! What the stages of the bring-up have come to, for `k8s-node status`: a small file for each, in memory.

use std::{fs, io, path::PathBuf, time::SystemTime};

use anyhow::Result;
use common::files;
use contract::{
    Stage, places,
    status::{StageRecord, StageState},
};

fn file(stage: Stage) -> PathBuf {
    PathBuf::from(places::STAGE_RECORDS).join(format!("{}.json", stage.name()))
}

pub fn write(stage: Stage, state: StageState, line: &str, begun: SystemTime) -> Result<()> {
    let seconds = begun.elapsed().unwrap_or_default().as_millis() as f64 / 1000.0;
    let record = StageRecord { state, line: line.to_owned(), seconds };
    files::write_atomically(&file(stage), serde_json::to_vec(&record)?)
}

/// What is known of a stage; one that has no record has not begun.
pub fn read(stage: Stage) -> StageRecord {
    let bytes = fs::read(file(stage)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or(StageRecord {
        state: StageState::Waiting,
        line: String::new(),
        seconds: 0.0,
    })
}

/// Forgets the stages behind this one: a bring-up that begins again has them before it.
pub fn forget_after(stage: Stage) -> io::Result<()> {
    for later in Stage::ALL.iter().copied().skip_while(|other| *other != stage).skip(1) {
        match fs::remove_file(file(later)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
