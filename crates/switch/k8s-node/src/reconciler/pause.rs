//! The operator's word that everything is to be left alone for a while: a file in memory, with the time until which it holds.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use common::files;
use contract::places;

/// Without an end, and over: what was given up is to be taken up again.
const FOR_EVER: u64 = u64::MAX;
const RESUMED: u64 = 0;

pub fn pause(time: Option<Duration>) -> Result<()> {
    let until = time.map_or(FOR_EVER, |time| seconds(SystemTime::now()).saturating_add(time.as_secs().max(1)));
    write(places::PAUSED.as_ref(), until)?;
    let how_long = match time {
        Some(time) => format!("for {}", humantime::format_duration(time)),
        None => "until `k8s-node resume`, or the next boot".to_owned(),
    };
    println!(
        "what others change on this switch is left so {how_long}; a bring-up and the hourly renewal do their work all the same"
    );
    Ok(())
}

pub fn resume() -> Result<()> {
    write(places::PAUSED.as_ref(), RESUMED)?;
    println!("what others change on this switch is made as Kubernetes needs it again, what was given up too");
    Ok(())
}

/// Until when it is paused, in seconds since 1970.
pub fn until(now: SystemTime) -> Option<u64> {
    read(places::PAUSED.as_ref()).filter(|until| *until > seconds(now))
}

pub fn paused_until() -> Option<u64> {
    until(SystemTime::now())
}

/// Whether the operator has ended it since this was asked last.
pub fn was_resumed() -> Result<bool> {
    let file = Path::new(places::PAUSED);
    if read(file) != Some(RESUMED) {
        return Ok(false);
    }
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(true),
    }
}

fn read(file: &Path) -> Option<u64> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn write(file: &Path, until: u64) -> Result<()> {
    files::create_dir(places::RUN.as_ref())?;
    files::write_atomically(file, serde_json::to_vec(&until)?)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
