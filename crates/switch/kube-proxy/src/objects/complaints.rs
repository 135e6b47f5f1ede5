//! One line in the log for each bad thing, however often its object comes again.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

/// When so many are known, all are forgotten: objects with endless new faults cost no memory.
const AT_MOST: usize = 4096;

#[derive(Debug, Default)]
pub struct Complaints {
    hasher: RandomState,
    made: Mutex<HashSet<u64>>,
}

impl Complaints {
    /// Says that `what` of `object` is left out, unless that has been said. Returns whether it was new.
    pub fn say(&self, kind: &str, object: &dyn Display, what: &str) -> bool {
        let new = self.is_new(&format!("{kind} {object} {what}"));
        if new {
            tracing::warn!(%object, "{kind}: {what}; it is left out, the rest is not affected");
        }
        new
    }

    fn is_new(&self, line: &str) -> bool {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= AT_MOST {
            made.clear();
        }
        made.insert(self.hasher.hash_one(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fault_of_the_same_object_is_said_once() {
        let complaints = Complaints::default();
        assert!(complaints.say("Service", &"default/web", "port 80 has the unknown protocol \"QUIC\""));
        assert!(!complaints.say("Service", &"default/web", "port 80 has the unknown protocol \"QUIC\""));
        assert!(complaints.say("Service", &"default/other", "port 80 has the unknown protocol \"QUIC\""));
    }

    #[test]
    fn endless_new_faults_do_not_fill_the_memory() {
        let complaints = Complaints::default();
        for number in 0..3 * AT_MOST {
            complaints.is_new(&number.to_string());
        }
        assert!(complaints.made.lock().unwrap().len() <= AT_MOST);
    }
}
