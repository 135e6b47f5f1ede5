//! The Services that lack a UDP socket, and when they are tried again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::model::ServiceName;

/// The first try is after this time, and each that is in vain doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(60);

/// They are tried again with backoff, and at once where a socket of another Service was closed.
#[derive(Debug, Default)]
pub struct Lacking {
    names: BTreeSet<ServiceName>,
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Instant,
    length: Duration,
    /// How many sockets there was room for when the last one could not be had.
    room: usize,
}

impl Lacking {
    pub fn names(&self) -> &BTreeSet<ServiceName> {
        &self.names
    }

    /// Returns whether that is new.
    pub fn add(&mut self, name: &ServiceName, now: Instant) -> bool {
        self.wait.get_or_insert(Wait { until: now + FIRST_WAIT, length: FIRST_WAIT, room: 0 });
        self.names.insert(name.clone())
    }

    pub fn remove(&mut self, name: &ServiceName) {
        self.names.remove(name);
        if self.names.is_empty() {
            self.wait = None;
        }
    }

    /// Whether to try, now that there is room for so many sockets.
    pub fn is_due(&self, now: Instant, room: usize) -> bool {
        self.wait.is_some_and(|wait| now >= wait.until || room > wait.room)
    }

    /// All were tried, with room for so many sockets, and some got the sockets or none.
    pub fn tried(&mut self, now: Instant, room: usize, opened: usize) {
        if let Some(wait) = &mut self.wait {
            let length = if opened > 0 { FIRST_WAIT } else { (wait.length * 2).min(LAST_WAIT) };
            *wait = Wait { until: now + length, length, room: room.saturating_sub(opened) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many seconds it is tried, with a look each second for `seconds`; each try is in vain.
    fn tries(lacking: &mut Lacking, from: Instant, seconds: u64, room: impl Fn(u64) -> usize) -> Vec<u64> {
        let mut tries = Vec::new();
        for second in 0..seconds {
            let (now, room) = (from + Duration::from_secs(second), room(second));
            if lacking.is_due(now, room) {
                tries.push(second);
                lacking.tried(now, room, 0);
            }
        }
        tries
    }

    #[test]
    fn tries_in_vain_become_rare_and_a_socket_that_was_closed_is_taken_at_once() {
        let (start, name) = (Instant::now(), ServiceName::new("default", "dns"));
        let mut lacking = Lacking::default();
        assert!(!lacking.is_due(start, 9), "nothing lacks one");
        assert!(lacking.add(&name, start) && !lacking.add(&name, start));
        let seen = tries(&mut lacking, start, 250, |second| usize::from(second >= 100));
        assert_eq!(seen, [1, 3, 7, 15, 31, 63, 100, 160, 220]);

        let later = start + Duration::from_secs(300);
        lacking.tried(later, 5, 2);
        assert!(!lacking.is_due(later, 3) && lacking.is_due(later, 4));
        assert!(lacking.is_due(later + FIRST_WAIT, 0), "some got theirs, so the next may soon");
        lacking.remove(&name);
        assert!(!lacking.is_due(later + LAST_WAIT, 9));
    }

    #[test]
    fn where_there_was_room_all_along_that_is_no_reason_to_try_each_second() {
        let start = Instant::now();
        let mut lacking = Lacking::default();
        lacking.add(&ServiceName::new("default", "dns"), start);
        assert_eq!(tries(&mut lacking, start, 130, |_| 9), [0, 2, 6, 14, 30, 62, 122]);
    }
}
