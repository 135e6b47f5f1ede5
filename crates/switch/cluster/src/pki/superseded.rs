//! Certificates that were replaced long before their end, as an upgrade does with those of the old release: a copy of one is good
//! until then for who has the key. Which, and until when, is kept beside them for the status.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Credential, PkiError,
    certificate::Certificate,
    directory::{self, Batch},
    profile::Profile,
    time::day,
};

const FILE: &str = "superseded.json";

/// Their ends, in seconds since 1970.
type Ends = BTreeMap<Credential, u64>;

/// Adds to what is to be written what is replaced by it.
pub(super) fn remember(
    path: &Path,
    batch: &mut Batch,
    replaced: &[(Credential, SystemTime)],
    now: SystemTime,
) -> Result<(), PkiError> {
    if replaced.is_empty() {
        return Ok(());
    }
    let mut ends = read(path, now)?;
    for (credential, end) in replaced {
        let end = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let known = ends.entry(*credential).or_default();
        *known = end.max(*known);
    }
    add(batch, &ends)
}

fn add(batch: &mut Batch, ends: &Ends) -> Result<(), PkiError> {
    let text = serde_json::to_string(ends).map_err(|why| PkiError::crypto("write what was replaced", why))?;
    batch.add_text(FILE, text + "\n");
    Ok(())
}

/// Adds to what is to be written that copies are good for nothing but of those which `lasts` names: whose authority is trusted still.
pub(super) fn forget(
    path: &Path,
    batch: &mut Batch,
    lasts: impl Fn(Credential) -> bool,
    now: SystemTime,
) -> Result<(), PkiError> {
    let mut ends = read(path, now)?;
    let before = ends.len();
    ends.retain(|credential, _| lasts(*credential));
    if ends.len() < before {
        add(batch, &ends)?;
    }
    Ok(())
}

/// The end of the certificate in a file, where a copy of it stays good for longer than what replaces it.
pub(super) fn long_end(pem: Option<&[u8]>, profile: &Profile, now: SystemTime) -> Option<SystemTime> {
    let certificate = Certificate::parse(pem?).ok()?;
    (profile.is_outlasted_by(&certificate) && certificate.not_after() > now).then(|| certificate.not_after())
}

/// Of which certificates old copies are still good, and until when.
pub fn superseded(path: &Path, now: SystemTime) -> Result<Vec<(Credential, String)>, PkiError> {
    let ends = read(path, now)?.into_iter();
    Ok(ends.map(|(credential, end)| (credential, day(UNIX_EPOCH + Duration::from_secs(end)))).collect())
}

/// One that cannot be read says nothing: what it is about works without it.
fn read(path: &Path, now: SystemTime) -> Result<Ends, PkiError> {
    let text = directory::read(path, FILE)?;
    let mut ends: Ends = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    ends.retain(|_, end| *end > now);
    Ok(ends)
}
