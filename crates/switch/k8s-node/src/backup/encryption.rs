//! Who may read a backup: whoever has an age identity or a passphrase, or root where it lies. <https://age-encryption.org/v1>, so
//! that any `age` opens it on any machine.
//!
//! A backup for a public key is for a second one, too, whose other half lives in this process alone and ends with it: by it,
//! what was written is read back.

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
};

use age::{Decryptor, Encryptor, Identity, Recipient, scrypt, secrecy::SecretString, stream::StreamWriter, x25519};
use anyhow::{Context, Result, anyhow};
use common::files;

use crate::passphrase::Passphrase;

/// What each try at a passphrase costs: 2^16 blocks of a KiB, 64 MiB for a second or so of a switch's processor.
const WORK_FACTOR: u8 = 16;

/// What somebody else's age may have taken, up to 256 MiB.
const MOST_WORK: u8 = 18;

const MAGIC: &[u8] = b"age-encryption.org/";

/// What the operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    Recipient(String),
    Passphrase(Passphrase),
    Plain,
}

/// What opens a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file of age identities.
    Identity(PathBuf),
    Passphrase(Passphrase),
}

/// The same with everything at hand.
pub enum Sealing {
    Recipient { recipient: x25519::Recipient, for_reading_back: x25519::Identity },
    Passphrase(SecretString),
    Plain,
}

impl Protection {
    pub fn prepare(&self) -> Result<Sealing> {
        Ok(match self {
            Protection::Recipient(key) => {
                let read = key.parse::<x25519::Recipient>();
                let recipient = read
                    .map_err(|why| anyhow!("{key:?} is no age public key (age1…, as age-keygen prints it): {why}"))?;
                Sealing::Recipient { recipient, for_reading_back: x25519::Identity::generate() }
            }
            Protection::Passphrase(passphrase) => Sealing::Passphrase(passphrase.choose()?),
            Protection::Plain => Sealing::Plain,
        })
    }
}

impl Sealing {
    pub fn is_plain(&self) -> bool {
        matches!(self, Sealing::Plain)
    }

    pub fn told(&self) -> &'static str {
        match self {
            Sealing::Recipient { .. } => "encrypted for that public key",
            Sealing::Passphrase(_) => "encrypted by the passphrase",
            Sealing::Plain => "not encrypted, for root alone",
        }
    }

    pub fn seal<W: Write>(&self, to: W) -> Result<Sealed<W>> {
        let encryptor = |recipients: &[&dyn Recipient]| Encryptor::with_recipients(recipients.iter().copied());
        let encryptor = match self {
            Sealing::Plain => return Ok(Sealed::Plain(to)),
            Sealing::Recipient { recipient, for_reading_back } => {
                encryptor(&[recipient, &for_reading_back.to_public()])
            }
            Sealing::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(WORK_FACTOR);
                encryptor(&[&recipient])
            }
        };
        let encryptor = encryptor.map_err(|why| anyhow!("cannot encrypt the backup: {why}"))?;
        Ok(Sealed::Encrypted(encryptor.wrap_output(to).context("cannot write the backup's header")?))
    }

    /// What was sealed so.
    pub fn open<'r>(&self, from: impl BufRead + 'r) -> Result<Box<dyn BufRead + 'r>> {
        match self {
            Sealing::Plain => Ok(Box::new(from)),
            Sealing::Recipient { for_reading_back, .. } => decrypt(from, &[for_reading_back]),
            Sealing::Passphrase(passphrase) => decrypt(from, &[&scrypt_identity(passphrase.clone())]),
        }
    }
}

/// A file that is encrypted, or not.
pub enum Sealed<W: Write> {
    Plain(W),
    Encrypted(StreamWriter<W>),
}

impl<W: Write> Sealed<W> {
    /// Without it, an encrypted file has no end, and nobody takes it for whole.
    pub fn finish(self) -> Result<W> {
        match self {
            Sealed::Plain(to) => Ok(to),
            Sealed::Encrypted(stream) => stream.finish().context("cannot write the backup's end"),
        }
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sealed::Plain(to) => to.write(bytes),
            Sealed::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sealed::Plain(to) => to.flush(),
            Sealed::Encrypted(stream) => stream.flush(),
        }
    }
}

pub fn is_encrypted(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC)
}

/// What opens a backup, at hand.
pub enum Key {
    Passphrase(SecretString),
    Identities(Vec<x25519::Identity>),
}

impl KeySource {
    pub fn prepare(&self) -> Result<Key> {
        let file = match self {
            KeySource::Passphrase(passphrase) => return Ok(Key::Passphrase(passphrase.ask()?)),
            KeySource::Identity(file) => file,
        };
        let text = files::read_text(file)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let read = lines.map(|line| {
            line.parse::<x25519::Identity>()
                .map_err(|why| anyhow!("{} has a line that is no age identity: {why}", file.display()))
        });
        Ok(Key::Identities(read.collect::<Result<_>>()?))
    }
}

impl Key {
    pub fn open<'r>(&self, from: impl BufRead + 'r) -> Result<Box<dyn BufRead + 'r>> {
        match self {
            Key::Passphrase(passphrase) => decrypt(from, &[&scrypt_identity(passphrase.clone())]),
            Key::Identities(all) => decrypt(from, &all.iter().map(|one| one as &dyn Identity).collect::<Vec<_>>()),
        }
    }
}

fn scrypt_identity(passphrase: SecretString) -> scrypt::Identity {
    let mut identity = scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(MOST_WORK);
    identity
}

fn decrypt<'r>(from: impl BufRead + 'r, identities: &[&dyn Identity]) -> Result<Box<dyn BufRead + 'r>> {
    let decryptor =
        Decryptor::new_buffered(from).map_err(|why| anyhow!("it is encrypted, and its header is damaged: {why}"))?;
    let stream = decryptor.decrypt(identities.iter().copied()).map_err(|why| {
        anyhow!("it cannot be opened with this passphrase or identity, or its header is damaged: {why}")
    })?;
    Ok(Box::new(io::BufReader::new(stream)))
}
