//! Brings a source into the blob store. The output is `fetched.json`: which origin answered, with
//! what; the bytes are in the store under their digests.

use anyhow::{Context, Result, ensure};
use common::{Sha256, files};
use sources::Fetched;

use crate::{cache::CacheEntry, step::Fetch, work::Job};

const FILE: &str = "fetched.json";

pub(crate) fn run(job: &Job, work: &Fetch) -> Result<Fetched> {
    let fetched = job.engine.fetcher.fetch(&work.source)?;
    if let (Some(planned), Some(path)) = (work.source_override, job.engine.fetcher.source_override(&work.source)) {
        let now = Sha256::of_tree(path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(now == planned, "{} changed while it was being used: run again", path.display());
    }
    files::write_atomically(&job.out().join(FILE), serde_json::to_vec_pretty(&fetched)?)?;
    Ok(fetched)
}

/// What a finished fetch has got.
pub(crate) fn read(entry: &CacheEntry) -> Result<Fetched> {
    let file = entry.out().join(FILE);
    serde_json::from_slice(&files::read(&file)?).with_context(|| format!("{} cannot be understood", file.display()))
}
