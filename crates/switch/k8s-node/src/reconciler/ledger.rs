//! What was repaired, and what is not any more: whoever undoes a repair three times within ten minutes wants it so.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use common::files;
use contract::{
    places,
    status::{GivenUp, Kept, ReconcilerStatus, Repaired},
};

/// How often a thing is repaired within how long.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub repairs: usize,
    pub within: Duration,
}

impl Patience {
    pub const USUAL: Patience = Patience { repairs: 3, within: Duration::from_secs(10 * 60) };
}

/// For `k8s-node status`; the file is there where anything was done.
pub struct Ledger {
    file: PathBuf,
    patience: Patience,
    known: ReconcilerStatus,
    recent: BTreeMap<(Kept, String), Vec<Instant>>,
}

/// What is to become of things that are wrong.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    pub repair: Vec<String>,
    /// Just now.
    pub given_up: Vec<String>,
}

impl Ledger {
    /// Goes on with what was recorded before.
    pub fn read(file: PathBuf, patience: Patience) -> Self {
        Ledger { known: read(&file), file, patience, recent: BTreeMap::new() }
    }

    pub fn judge(&mut self, kind: Kept, wrong: Vec<String>, now: Instant) -> Judged {
        let mut judged = Judged::default();
        for thing in wrong {
            if self.known.given_up.iter().any(|one| one.kind == kind && one.thing == thing) {
                continue;
            }
            let recent = self.recent.entry((kind, thing.clone())).or_default();
            recent.retain(|at| now.duration_since(*at) < self.patience.within);
            if recent.len() < self.patience.repairs {
                judged.repair.push(thing);
            } else {
                self.known.given_up.push(GivenUp { kind, thing: thing.clone(), since: seconds() });
                judged.given_up.push(thing);
            }
        }
        if !judged.given_up.is_empty() {
            self.write();
        }
        judged
    }

    pub fn repaired(&mut self, kind: Kept, things: &[String], now: Instant) {
        let last = seconds();
        for thing in things {
            self.recent.entry((kind, thing.clone())).or_default().push(now);
            match self.known.repaired.iter_mut().find(|known| known.kind == kind && known.thing == *thing) {
                Some(known) => (known.times, known.last) = (known.times + 1, last),
                None => self.known.repaired.push(Repaired { kind, thing: thing.clone(), times: 1, last }),
            }
        }
        self.write();
    }

    /// Keeps everything again.
    pub fn take_up_again(&mut self) {
        self.recent.clear();
        self.known.given_up.clear();
        self.write();
    }

    fn write(&self) {
        let written = serde_json::to_vec(&self.known).map_err(anyhow::Error::from);
        if let Err(error) = written.and_then(|bytes| files::write_atomically(&self.file, bytes)) {
            println!("reconciler: {} does not say what was done: {error:#}", self.file.display());
        }
    }
}

/// What the reconciler has done, by its file.
pub fn recorded() -> ReconcilerStatus {
    read(places::RECONCILER_RECORD.as_ref())
}

fn read(file: &Path) -> ReconcilerStatus {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undone_three_times_within_ten_minutes_is_left_until_it_is_taken_up_again_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("record");
        let mut ledger = Ledger::read(file.clone(), Patience::USUAL);
        let (begun, minute) = (Instant::now(), Duration::from_secs(60));
        let wrong = || vec!["KOE-INPUT".to_owned()];
        for repair in 0..3 {
            let now = begun + repair * minute;
            assert_eq!(ledger.judge(Kept::Firewall, wrong(), now).repair, wrong(), "{repair}");
            ledger.repaired(Kept::Firewall, &wrong(), now);
        }
        let now = begun + 4 * minute;
        let judged = ledger.judge(Kept::Firewall, [wrong(), vec!["KOE-FORWARD".into()]].concat(), now);
        assert_eq!(judged, Judged { repair: vec!["KOE-FORWARD".into()], given_up: wrong() });
        assert_eq!(ledger.judge(Kept::Firewall, wrong(), now + 60 * minute), Judged::default(), "told once");
        // After its own restart, too.
        let mut again = Ledger::read(file.clone(), Patience::USUAL);
        assert_eq!(again.judge(Kept::Firewall, wrong(), now), Judged::default());
        assert_eq!(read(&file).repaired[0].times, 3);
        again.take_up_again();
        assert_eq!(again.judge(Kept::Firewall, wrong(), now).repair, wrong());
    }

    #[test]
    fn what_eos_undoes_now_and_then_is_repaired_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::read(directory.path().join("record"), Patience::USUAL);
        let begun = Instant::now();
        for hour in 0..20 {
            let now = begun + hour * Duration::from_secs(5 * 60);
            assert_eq!(ledger.judge(Kept::Routes, vec!["r".into()], now).repair, ["r"], "{hour}");
            ledger.repaired(Kept::Routes, &["r".into()], now);
        }
    }
}
