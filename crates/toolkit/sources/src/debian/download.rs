//! Downloads of files that an index names, by apt's own methods, so that its mirrors, proxies and
//! credentials count; several at once, into the store, by their digests.

use std::{fs, path::PathBuf, thread};

use common::{
    Progress, Sha256,
    progress::{Task, Unit},
};

use super::{
    config::{Apt, errors},
    machine,
};
use crate::{
    error::{PinMismatch, Trouble},
    store::Store,
    watch::watch,
};

/// A file to download. The digest is the recipe's, or that of an index with a good signature.
#[derive(Debug, Clone)]
pub(crate) struct Desired {
    pub(crate) uri: String,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
}

/// Connections at a time.
const CONNECTIONS: usize = 3;

pub(crate) fn download(
    apt: &Apt,
    desired: Vec<Desired>,
    name: &str,
    store: &Store,
    progress: &dyn Progress,
) -> Result<(), Trouble> {
    let desired: Vec<Desired> = desired.into_iter().filter(|file| !store.has(&file.sha256)).collect();
    if desired.is_empty() {
        return Ok(());
    }
    let methods = machine::setting("Dir::Bin::methods/d")?;
    let helper = methods.parent().map(|directory| directory.join("apt-helper")).unwrap_or_else(|| "apt-helper".into());
    let task = progress.start(name, Unit::Bytes, Some(desired.iter().map(|file| file.size).sum()));
    task.doing(match desired.as_slice() {
        [only] => &only.name,
        _ => "downloading packages",
    });
    let batches = batches(&desired);
    let arrived = || {
        let partial = store.directory("partial");
        let of = |file: &Desired| {
            let done = store.size(&file.sha256);
            done.or_else(|| fs::metadata(partial.join(file.sha256.to_string())).ok().map(|meta| meta.len()))
                .unwrap_or(0)
        };
        desired.iter().map(of).sum()
    };
    watch(&*task as &dyn Task, arrived, || {
        thread::scope(|scope| {
            let helper = &helper;
            let running: Vec<_> =
                batches.into_iter().map(|batch| scope.spawn(move || one_batch(apt, helper, &batch, store))).collect();
            let results =
                running.into_iter().map(|batch| batch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            results.collect::<Vec<_>>().into_iter().collect()
        })
    })
}

/// Shares of about the same size. Inside of one, in order of digests: locks are taken in that order
/// by everybody, so that two runs cannot wait for each other.
fn batches(desired: &[Desired]) -> Vec<Vec<Desired>> {
    let mut largest_first: Vec<&Desired> = desired.iter().collect();
    largest_first.sort_by_key(|file| std::cmp::Reverse(file.size));
    let mut batches: Vec<(u64, Vec<Desired>)> = vec![(0, Vec::new()); CONNECTIONS.min(desired.len())];
    for file in largest_first {
        if let Some((size, batch)) = batches.iter_mut().min_by_key(|(size, _)| *size) {
            *size += file.size.max(1);
            batch.push(file.clone());
        }
    }
    let mut batches: Vec<Vec<Desired>> = batches.into_iter().map(|(_, batch)| batch).collect();
    for batch in &mut batches {
        batch.sort_by_key(|file| file.sha256);
        batch.dedup_by_key(|file| file.sha256);
    }
    batches
}

fn one_batch(apt: &Apt, helper: &PathBuf, batch: &[Desired], store: &Store) -> Result<(), Trouble> {
    let mut places = Vec::new();
    for file in batch {
        let place = store.partial(&file.sha256)?;
        if !store.has(&file.sha256) {
            places.push((file, place));
        }
    }
    if places.is_empty() {
        return Ok(()); // another run fetched them while this one waited
    }
    let program = apt.program(helper, "download Debian packages")?;
    let mut program = program.args(["-o", "Acquire::Retries=3", "download-file"]);
    for (file, place) in &places {
        program = program.arg(&file.uri).arg(place.path()).arg(format!("SHA256:{}", file.sha256));
    }
    let output = program.output().map_err(Trouble::of_tool)?;
    let mut lacking = Vec::new();
    for (file, place) in &places {
        let refused = place.path().with_extension("FAILED");
        if refused.exists() {
            let found = Sha256::of_file(&refused)?;
            fs::remove_file(&refused)?;
            let (expected, found) = (format!("sha256 {}", file.sha256), format!("sha256 {found}"));
            return Err(Trouble::Stop(PinMismatch { what: file.uri.clone(), expected, found }.into()));
        }
        // What came in part stays where it is: the next run goes on from there.
        if place.is_empty() || (!output.status.success() && place.len() < file.size) {
            lacking.push(file.name.as_str());
        } else {
            store.insert(place.path(), &file.sha256, &file.uri)?;
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Trouble::PassOver(format!("{} did not come: {}", lacking.join(", "), errors(&output.stderr))))
}
