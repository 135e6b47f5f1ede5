//! The progress sink. Libraries are given one and report to it; they neither print nor know a terminal.

use serde::{Deserialize, Serialize};

/// What a task's amounts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    Bytes,
    Items,
}

/// Where long work reports to. Shared by the threads that work.
pub trait Progress: Sync {
    /// A piece of long work begins; it ends when the handle is dropped. `total` is what is known of its size.
    fn start(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task>;

    /// One line worth reading, whatever else is shown.
    fn note(&self, line: &str);
}

/// One piece of long work under way.
pub trait Task: Send {
    fn set_total(&self, total: u64);
    fn advance(&self, amount: u64);
    /// What is being done at this moment, in a few words.
    fn doing(&self, what: &str);
}

/// A sink for callers that show nothing.
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &str, _: Unit, _: Option<u64>) -> Box<dyn Task> {
        Box::new(Silent)
    }

    fn note(&self, _: &str) {}
}

impl Task for Silent {
    fn set_total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn doing(&self, _: &str) {}
}
