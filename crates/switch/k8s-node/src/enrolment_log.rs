//! Who has got certificates of the master, who of those that know the token has not, and what the operator has said about it: a line
//! of JSON each, beside the API server's audit log. Two files bound it. What others cause is bounded a day, too; the journal has
//! all of it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use cluster::{room::LIMITS, state};
use contract::places;
use enrolment::Event;
use serde::Serialize;

/// For as long an operator, or a worker that has its answer, waits for another line.
const WAIT: Duration = Duration::from_secs(4);

const DAY: u64 = 24 * 60 * 60;

/// Of what others cause: some hundred lines.
const BYTES_A_DAY: usize = 128 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    Issued,
    Declined,
    UnknownName,
    Admitted,
    Revoked,
    RevocationUndone,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    act: Act,
    names: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    said: &'a str,
}

pub struct EnrolmentLog {
    path: PathBuf,
    /// The day since 1970, and what others have caused on it.
    today: Mutex<(u64, usize)>,
}

impl EnrolmentLog {
    pub fn on_switch() -> EnrolmentLog {
        EnrolmentLog::at(places::ENROLMENT_LOG)
    }

    pub fn at(path: impl Into<PathBuf>) -> EnrolmentLog {
        EnrolmentLog { path: path.into(), today: Mutex::default() }
    }

    /// What the operator says; one that cannot be written down is said aloud, and done all the same.
    pub fn operator(&self, act: Act, names: &[&str], said: &str, now: SystemTime) {
        let line = line(act, names, None, said, now);
        if let Err(error) = line.and_then(|line| self.append(&line)) {
            eprintln!("k8s-node: warning: this is not written into {}: {error:#}", self.path.display());
        }
    }

    /// What happens at the enrolment server, as far as it is between the master and who knows the token. Fails with what the
    /// journal should have.
    pub fn event(&self, event: &Event, now: SystemTime) -> Result<()> {
        let (act, peer, name) = match event {
            Event::Issued { peer, name, .. } => (Act::Issued, peer, name),
            Event::Declined { peer, name, .. } => (Act::Declined, peer, name),
            Event::UnknownName { peer, name } => (Act::UnknownName, peer, name),
            _ => return Ok(()),
        };
        let line = line(act, &[name], Some(peer.ip()), &event.to_string(), now)?;
        if self.has_room_today(line.len(), now) {
            self.append(&line).with_context(|| format!("{} lacks this", self.path.display()))?;
        }
        Ok(())
    }

    fn has_room_today(&self, bytes: usize, now: SystemTime) -> bool {
        let day = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY;
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.0 != day {
            *today = (day, 0);
        }
        today.1 += bytes;
        today.1 <= BYTES_A_DAY
    }

    fn append(&self, line: &[u8]) -> Result<()> {
        let directory = self.path.parent().context("a file without a directory")?;
        let _writer = state::lock_within(directory, WAIT)?;
        let written = || -> io::Result<()> {
            let open = || OpenOptions::new().create(true).append(true).read(true).open(&self.path);
            let mut file = open()?;
            if file.metadata()?.len() + line.len() as u64 > LIMITS.enrolment_log_bytes {
                fs::rename(&self.path, before(&self.path))?;
                file = open()?;
            }
            // A power cut may have left a part of a line.
            let whole = if is_cut_off(&mut file)? { [b"\n", line].concat() } else { line.to_vec() };
            file.write_all(&whole)?;
            file.sync_data()
        };
        written().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The file that was written before.
pub fn before(path: &Path) -> PathBuf {
    path.with_added_extension("1")
}

fn line(act: Act, names: &[&str], address: Option<IpAddr>, said: &str, now: SystemTime) -> Result<Vec<u8>> {
    let time = humantime::format_rfc3339_seconds(now).to_string();
    let mut line = serde_json::to_vec(&Line { time, act, names, address, said })?;
    line.push(b'\n');
    Ok(line)
}

fn is_cut_off(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use serde_json::Value;

    use super::*;

    fn lines(path: &Path) -> Vec<Value> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn what_happens_is_a_line_each_and_what_strangers_do_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log/enrolment.log");
        let log = EnrolmentLog::at(&path);
        let (peer, name): (SocketAddr, String) = ("127.0.0.12:1".parse().unwrap(), "veos-l1".into());
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        log.operator(Act::Admitted, &["veos-l1"], "veos-l1 may enrol", now);
        log.event(&Event::Declined { peer, name: name.clone(), reason: "another key\nin two lines".into() }, now)
            .unwrap();
        log.event(&Event::WrongToken { peer, name: name.clone() }, now).unwrap();
        log.event(&Event::Busy { peer }, now).unwrap();
        // As a power cut leaves it.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"time\":\"20").unwrap();
        log.event(&Event::Issued { peer, name, certificates: 2, remark: None }, now).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let acts: Vec<Option<Value>> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).ok().map(|line| line["act"].clone())).collect();
        assert_eq!(acts, [Some("admitted".into()), Some("declined".into()), None, Some("issued".into())], "{text}");
        let declined: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!(declined["time"], "2027-01-15T08:00:00Z");
        assert_eq!((&declined["names"][0], &declined["address"]), (&"veos-l1".into(), &"127.0.0.12".into()));
        assert!(declined["said"].as_str().unwrap().contains("another key\nin two lines"), "{declined}");
    }

    #[test]
    fn whatever_happens_it_is_bounded_in_all_and_a_day_and_the_operators_word_has_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("enrolment.log");
        let log = EnrolmentLog::at(&path);
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let flood = |now| {
            let (peer, reason) = ("127.0.0.12:1".parse().unwrap(), "x".repeat(4000));
            let event = Event::Declined { peer, name: "veos-l1".into(), reason };
            (0..100).for_each(|_| log.event(&event, now).unwrap());
        };
        flood(now);
        let first = fs::metadata(&path).unwrap().len();
        assert!((BYTES_A_DAY as u64 - 8000..=BYTES_A_DAY as u64).contains(&first), "{first}");
        log.operator(Act::Revoked, &["veos-l1"], "veos-l1 is revoked", now);
        assert_eq!(lines(&path).last().unwrap()["act"], "revoked");
        for day in 1..20 {
            flood(now + Duration::from_secs(day * DAY));
        }
        let all: u64 = [path.clone(), before(&path)].iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(all <= 2 * LIMITS.enrolment_log_bytes, "{all}");
        assert_eq!(directory.path().read_dir().unwrap().count(), 2);
        assert!(lines(&before(&path)).len() > 100 && !lines(&path).is_empty());
    }
}
