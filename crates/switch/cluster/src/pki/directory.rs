//! The directory that holds a PKI: one writer at a time, keys for their owner alone, nothing half-written.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use common::files::{self, Access, NewFile, UNFINISHED};
use zeroize::Zeroizing;

use super::{
    Credential, PkiError,
    key::{NewKey, PrivateKey},
};
use crate::state::{self, StateLock};

/// What begins a certificate authority's key file when it was made here and its certificate is ours to renew. PEM lets text
/// stand before the key, so that the one file says both or is not there.
const MADE_HERE: &str = "Made by kubernetes-on-eos, which renews the certificate of this key.\n";

/// The key of a certificate authority that is to take another one's place, until ca.pem names that authority.
pub(super) const NEXT_AUTHORITY_KEY: &str = "ca-next-key.pem";

/// A key's file.
pub(super) enum KeyFile {
    Missing,
    Damaged(String),
    Good(PrivateKey),
}

/// A directory that nobody else writes to until this is dropped.
pub(super) struct Directory {
    path: PathBuf,
    _writer: StateLock,
}

/// Files that are to be written together.
#[derive(Default)]
pub(super) struct Batch(Vec<(String, Access, Zeroizing<String>)>);

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, PkiError> {
        create(path)?;
        let directory = Directory { path: path.to_owned(), _writer: state::lock_directory(path)? };
        directory.remove_unfinished().with_context(|| format!("cannot clear {}", path.display()))?;
        Ok(directory)
    }

    /// What a power cut left half-written may hold keys.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next certificate authority's key takes the place of the present one's.
    pub(super) fn take_next_authority_key(&self) -> Result<(), PkiError> {
        let (next, key) = (self.path.join(NEXT_AUTHORITY_KEY), self.path.join(Credential::Ca.key_file()));
        let taken = fs::rename(&next, &key).and_then(|()| fs::File::open(&self.path)?.sync_all());
        Ok(taken.with_context(|| format!("cannot rename {} to {}", next.display(), key.display()))?)
    }

    pub(super) fn write(&self, batch: &Batch) -> Result<(), PkiError> {
        let files: Vec<NewFile> = batch
            .0
            .iter()
            .map(|(name, access, contents)| NewFile { name, access: *access, contents: contents.as_bytes() })
            .collect();
        if files.is_empty() {
            return Ok(());
        }
        Ok(files::write_together(&self.path, &files)?)
    }
}

impl Batch {
    pub(super) fn add_key(&mut self, credential: Credential, new: &NewKey) {
        let first = if credential.is_ca() { MADE_HERE } else { "" };
        let text = Zeroizing::new(format!("{first}{}", *new.pem));
        self.0.push((credential.key_file(), Access::Owner, text));
    }

    pub(super) fn add_text(&mut self, name: &str, text: String) {
        self.0.push((name.to_owned(), Access::Everyone, Zeroizing::new(text)));
    }

    pub(super) fn add_next_authority_key(&mut self, new: &NewKey) {
        let text = Zeroizing::new(format!("{MADE_HERE}{}", *new.pem));
        self.0.push((NEXT_AUTHORITY_KEY.to_owned(), Access::Owner, text));
    }

    pub(super) fn add_certificate(&mut self, credential: Credential, pem: String) {
        self.0.push((credential.certificate_file(), Access::Everyone, Zeroizing::new(pem)));
    }
}

/// Makes the directory, for its owner alone.
pub(super) fn create(path: &Path) -> Result<(), PkiError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    Ok(made.with_context(|| format!("cannot create the directory {}", path.display()))?)
}

/// A file's contents; none where it is not there.
pub(super) fn read(directory: &Path, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, PkiError> {
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(contents) => Ok(Some(Zeroizing::new(contents))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow::Error::new(error).context(format!("cannot read {}", path.display())).into()),
    }
}

pub(super) fn read_certificate(
    directory: &Path,
    credential: Credential,
) -> Result<Option<Zeroizing<Vec<u8>>>, PkiError> {
    read(directory, &credential.certificate_file())
}

pub(super) fn read_key(directory: &Path, credential: Credential) -> Result<KeyFile, PkiError> {
    read_named_key(directory, &credential.key_file())
}

pub(super) fn read_named_key(directory: &Path, file: &str) -> Result<KeyFile, PkiError> {
    Ok(match read(directory, file)? {
        None => KeyFile::Missing,
        Some(pem) => match PrivateKey::parse(&pem) {
            Ok(key) => KeyFile::Good(key),
            Err(why) => KeyFile::Damaged(why),
        },
    })
}

/// Whether a certificate authority's key was made by this program, not by the operator.
pub fn key_was_made_here(directory: &Path, ca: Credential) -> Result<bool, PkiError> {
    let file = read(directory, &ca.key_file())?;
    Ok(file.is_some_and(|contents| contents.starts_with(MADE_HERE.as_bytes())))
}
