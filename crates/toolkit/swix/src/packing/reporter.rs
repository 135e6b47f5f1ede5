//! A progress sink that writes reports for another program.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use common::{
    Progress,
    progress::{Task, Unit},
};

use super::Report;

/// Writes a report a line. That nobody reads it is no reason to stop packing.
pub struct Reporter<W>(Arc<Mutex<W>>);

impl<W: Write> Reporter<W> {
    pub fn new(to: W) -> Self {
        Reporter(Arc::new(Mutex::new(to)))
    }

    fn write(&self, report: &Report) {
        let mut to = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Ok(line) = serde_json::to_string(report) {
            let _ = writeln!(to, "{line}").and_then(|()| to.flush());
        }
    }
}

impl<W: Write + Send + 'static> Progress for Reporter<W> {
    fn start(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        self.write(&Report::Begins { name: name.to_owned(), unit, total });
        Box::new(Reporter(Arc::clone(&self.0)))
    }

    fn note(&self, line: &str) {
        self.write(&Report::Note(line.to_owned()));
    }
}

impl<W: Write + Send> Task for Reporter<W> {
    fn set_total(&self, total: u64) {
        self.write(&Report::Total(total));
    }

    fn advance(&self, amount: u64) {
        self.write(&Report::Advanced(amount));
    }

    fn doing(&self, what: &str) {
        self.write(&Report::Doing(what.to_owned()));
    }
}
