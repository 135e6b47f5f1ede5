//! What the directory has that the state's file is mounted over: what older releases refuse as damaged. One that is installed again
//! finds no empty directory, and makes no new certificate authority.
//!
//! Where they look for the directory of keys there is a file: a master's and a worker's stage `pki` end at it, of every release since
//! the first. The key of Secrets is one that none of them can read.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use common::files;
use contract::places;

use super::flash;

const TEXT: &str = "This switch's Kubernetes state, with its keys, is in the file kubernetes-on-eos/state.ext4 of the flash, which this release does not\n\
                    read. Install the newer release again. To go back to this one, restore a backup that it can read, or remove the directory\n\
                    k8s and the directory kubernetes-on-eos of the flash: that is the end of this switch's part of the cluster.\n";

const ENCRYPTION: &str = "encryption-config.yaml";
const PKI: &str = "pki";

/// Whether it is there, in a directory that is covered or would be.
pub fn is_in(directory: &Path) -> bool {
    directory.join(PKI).is_file()
}

/// Whether a directory has a key of Secrets, and not what stands in its place.
pub fn has_key_of_secrets(directory: &Path) -> bool {
    let file = directory.join(ENCRYPTION);
    file.is_file() && fs::read(&file).ok().is_none_or(|text| text != TEXT.as_bytes())
}

/// In the place of a state that has gone elsewhere.
pub fn ensure(directory: &Path) -> Result<()> {
    let pki = directory.join(PKI);
    ensure!(!pki.is_dir(), "{} has keys, and the state is in {}", pki.display(), places::STATE_FILE);
    files::create_dir(directory)?;
    for name in [PKI, ENCRYPTION] {
        let file = directory.join(name);
        if !file.exists() {
            files::write_atomically(&file, TEXT)
                .with_context(|| format!("cannot say in {} where the state is", directory.display()))?;
        }
    }
    flash::sync(places::FLASH.as_ref())
}
