//! The build record: every source with its origin and digest, every program with the toolchain,
//! flags and patches that made it. It has no time and no path in it, so it is as reproducible as
//! the programs.

use std::collections::BTreeMap;

use anyhow::Result;
use common::files;
use serde_json::json;

use crate::{date::rfc3339, step::Record, work::Job};

pub(crate) fn run(job: &Job, work: &Record) -> Result<()> {
    let mut sources = BTreeMap::new();
    let mut outputs = BTreeMap::new();
    for (step, entry) in job.needs {
        sources.extend(&entry.meta.sources);
        outputs.insert(step, json!({ "key": entry.meta.key, "sha256": entry.meta.output }));
    }
    let record = json!({
        "release": work.release,
        "version": work.version,
        "arch": work.arch,
        "source-date": rfc3339(work.source_date),
        "sources": sources,
        "builds": work.builds,
        "outputs": outputs,
    });
    files::write_atomically(&job.out().join(&work.file_name), serde_json::to_vec_pretty(&record)?)
}
