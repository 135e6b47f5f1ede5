//! Addresses that CNI's plugin host-local has reserved for pods whose containers are gone: where power went before kubelet could give
//! them back, nobody else does, and a range of pods has 253.

use std::{
    collections::BTreeSet,
    fs,
    fs::{File, TryLockError},
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use contract::places;

use crate::containers;

/// What host-local locks while it changes anything.
const LOCK: &str = "lock";

/// Gives them back; says how many.
pub fn give_back() -> Result<usize> {
    give_back_in(places::CNI_STATE.as_ref(), containers::all)
}

/// A pod's container is there before it gets an address, and until that is given back.
fn give_back_in(state: &Path, containers: impl FnOnce() -> Result<BTreeSet<String>>) -> Result<usize> {
    let lock = match File::open(state.join(LOCK)) {
        // Nothing was ever reserved.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        lock => lock.with_context(|| format!("cannot open {}", state.join(LOCK).display()))?,
    };
    match lock.try_lock() {
        Ok(()) => {}
        // The next renewal looks again.
        Err(TryLockError::WouldBlock) => return Ok(0),
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the pods' addresses"),
    }
    let reserved = reserved(state).with_context(|| format!("cannot read {}", state.display()))?;
    if reserved.is_empty() {
        return Ok(0);
    }
    let there = containers()?;
    let gone: Vec<PathBuf> =
        reserved.into_iter().filter(|(_, container)| !there.contains(container)).map(|(file, _)| file).collect();
    for file in &gone {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(gone.len())
}

/// A file for each, named as the address, with the container's id in its first line.
fn reserved(state: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut reserved = Vec::new();
    for entry in fs::read_dir(state)? {
        let file = entry?.path();
        let is_address = file.file_name().and_then(|name| name.to_str()?.parse::<Ipv4Addr>().ok()).is_some();
        if is_address {
            let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
            reserved.push((file, text.lines().next().unwrap_or_default().trim().to_owned()));
        }
    }
    Ok(reserved)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn what_no_container_has_is_given_back_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path();
        assert_eq!(give_back_in(&state.join("none"), || bail!("nobody was to be asked")).unwrap(), 0);
        // As host-local writes them; a power cut may leave an empty one.
        for (name, text) in [
            ("10.16.1.2", "aaaa\r\neth0"),
            ("10.16.1.3", "bbbb\r\neth0"),
            ("10.16.1.4", ""),
            ("last_reserved_ip.0", "10.16.1.4"),
            (LOCK, ""),
        ] {
            fs::write(state.join(name), text).unwrap();
        }
        let there = || Ok(["aaaa".to_owned()].into());
        let held = File::open(state.join(LOCK)).unwrap();
        held.lock().unwrap();
        assert_eq!(give_back_in(state, there).unwrap(), 0, "host-local is at it");
        drop(held);
        assert!(give_back_in(state, || bail!("Docker does not answer")).is_err());
        assert_eq!(give_back_in(state, there).unwrap(), 2);
        let left = |name: &str| state.join(name).exists();
        assert!(left("10.16.1.2") && left("last_reserved_ip.0") && !left("10.16.1.3") && !left("10.16.1.4"));
    }
}
