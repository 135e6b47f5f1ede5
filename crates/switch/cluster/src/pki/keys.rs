//! Making several keys at once: an RSA key takes half a second on a switch.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Credential, PkiError, key::NewKey};
use crate::KeyType;

/// Makes a key for each credential, on all processors.
pub(super) fn generate(kind: KeyType, desired: &[Credential]) -> Result<Vec<(Credential, NewKey)>, PkiError> {
    let processors = thread::available_parallelism().map_or(2, |count| count.get().max(2));
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..processors.min(desired.len()) {
            scope.spawn(|| {
                while let Some(credential) = desired.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let key = NewKey::generate(kind).map(|key| (*credential, key));
                    made.lock().unwrap_or_else(PoisonError::into_inner).push(key);
                }
            });
        }
    });
    let mut made =
        made.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect::<Result<Vec<_>, _>>()?;
    made.sort_by_key(|(credential, _)| desired.iter().position(|desired| desired == credential));
    Ok(made)
}
