//! minisign's detached signatures: Ed25519, in a file beside what is signed. `minisign` itself makes and verifies the same.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use base64ct::{Base64, Encoding};
use common::files;
use minisign::{ErrorKind, SecretKey, SecretKeyBox};
use minisign_verify as minisign_public;

use crate::SIGNATURE;

/// What a file of a secret key says of how it is encrypted, behind the two letters of its algorithm.
const WITHOUT_PASSWORD: &[u8] = &[0, 0];
const BY_SCRYPT: &[u8] = b"Sc";

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("there is no {}: name the file of a key that `minisign -G` made", .0.display())]
    Missing(PathBuf),
    #[error("{} cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{} is no secret key of minisign{but}: name the file that `minisign -G -s FILE` made", path.display())]
    NoSecret { path: PathBuf, but: &'static str },
    #[error("{} is no public key of minisign{but}: name the file that `minisign -G -p FILE` made", path.display())]
    NoPublic { path: PathBuf, but: &'static str },
    #[error("{} is encrypted by another password: give the one that `minisign -G` was given for it", .0.display())]
    WrongPassword(PathBuf),
    #[error(
        "{} is a secret key of minisign that is damaged: take it from a copy, or make another one by `minisign -G`",
        .0.display()
    )]
    Damaged(PathBuf),
    #[error("the password of {} is not known: {why:#}", path.display())]
    Password { path: PathBuf, why: anyhow::Error },
}

/// What a file is that is not what was asked for, by the length of what stands in it.
fn but(text: &str) -> &'static str {
    let bytes = text.lines().nth(1).and_then(|line| Base64::decode_vec(line.trim()).ok());
    match bytes.map(|bytes| bytes.len()) {
        Some(PUBLIC_LENGTH) => ", but a public one",
        Some(SECRET_LENGTH) => ", but a secret one",
        Some(SIGNATURE_LENGTH) => ", but a signature",
        _ => "",
    }
}

/// Two letters, the key's number and the key.
const PUBLIC_LENGTH: usize = 2 + 8 + 32;
/// Two letters and the key's number before a signature.
const SIGNATURE_LENGTH: usize = 2 + 8 + 64;
/// Three times two letters, salt and two limits, the key's number, both halves and a checksum.
const SECRET_LENGTH: usize = 6 + 32 + 16 + 8 + 64 + 32;

/// What makes signatures.
pub struct SigningKey {
    path: PathBuf,
    secret: SecretKey,
    /// What is signed is verified by it at once.
    public: minisign::PublicKey,
}

impl SigningKey {
    /// `password` is asked only for a key that has one.
    pub fn read(path: &Path, password: impl FnOnce() -> anyhow::Result<String>) -> Result<Self, KeyError> {
        let text = read(path)?;
        let no_key = || KeyError::NoSecret { path: path.to_owned(), but: but(&text) };
        let line = text.lines().nth(1).ok_or_else(no_key)?;
        let bytes = Base64::decode_vec(line.trim()).map_err(|_| no_key())?;
        let damaged = |_: minisign::PError| KeyError::Damaged(path.to_owned());
        let secret = match bytes.get(2..4) {
            // `minisign -G -W` writes no checksum, which the crate's own reader demands.
            Some(WITHOUT_PASSWORD) => SecretKey::from_bytes(&bytes).map_err(damaged)?,
            Some(BY_SCRYPT) => {
                let boxed = SecretKeyBox::from_string(&text).map_err(damaged)?;
                let password = password().map_err(|why| KeyError::Password { path: path.to_owned(), why })?;
                boxed.into_secret_key(Some(password)).map_err(|error| match error.kind() {
                    // What is decrypted has not the checksum that it should have.
                    ErrorKind::Verify => KeyError::WrongPassword(path.to_owned()),
                    _ => KeyError::Damaged(path.to_owned()),
                })?
            }
            _ => return Err(no_key()),
        };
        let public = minisign::PublicKey::from_secret_key(&secret).map_err(damaged)?;
        Ok(SigningKey { path: path.to_owned(), secret, public })
    }

    /// Writes the signature of a file beside it.
    pub fn sign(&self, file: &Path) -> anyhow::Result<PathBuf> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // In minisign's own words.
        let trusted = format!("timestamp:{now}\tfile:{name}\thashed");
        let untrusted = "signature from kubernetes-on-eos' cargo xtask";
        let bytes = files::read(file)?;
        let signature =
            minisign::sign(Some(&self.public), &self.secret, bytes.as_slice(), Some(&trusted), Some(untrusted))
                .map_err(|_| KeyError::Damaged(self.path.clone()))
                .with_context(|| format!("{} cannot be signed", file.display()))?;
        let to = beside(file);
        files::write_atomically(&to, signature.into_string())?;
        Ok(to)
    }
}

/// What verifies them.
pub struct PublicKey {
    key: minisign_public::PublicKey,
    path: PathBuf,
}

/// Why a file is not signed by a key.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("{name} is not signed: there is no {name}{SIGNATURE}")]
    None { name: String },
    #[error("{name}{SIGNATURE} cannot be read: {error}")]
    Read { name: String, error: io::Error },
    #[error("{name}{SIGNATURE} is no signature of minisign")]
    Form { name: String },
    #[error("{name}{SIGNATURE} is by another key than {}", key.display())]
    Key { name: String, key: PathBuf },
    #[error(
        "{name}{SIGNATURE} is not the signature of this {name}: {name} was changed after it was signed, or the signature is \
         that of another file"
    )]
    Wrong { name: String },
}

impl PublicKey {
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = read(path)?;
        let key = minisign_public::PublicKey::decode(&text);
        let key = key.map_err(|_| KeyError::NoPublic { path: path.to_owned(), but: but(&text) })?;
        Ok(PublicKey { key, path: path.to_owned() })
    }

    /// Whether `bytes`, which are those of `file`, are what was signed in the file beside it.
    pub fn verify(&self, file: &Path, bytes: &[u8]) -> Result<(), SignatureError> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = match fs::read_to_string(beside(file)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SignatureError::None { name }),
            Err(error) => return Err(SignatureError::Read { name, error }),
        };
        let Ok(signature) = minisign_public::Signature::decode(&text) else {
            return Err(SignatureError::Form { name });
        };
        match self.key.verify(bytes, &signature, false) {
            Ok(()) => Ok(()),
            Err(minisign_public::Error::UnexpectedKeyId) => Err(SignatureError::Key { name, key: self.path.clone() }),
            Err(minisign_public::Error::InvalidSignature) => Err(SignatureError::Wrong { name }),
            Err(_) => Err(SignatureError::Form { name }),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

fn read(path: &Path) -> Result<String, KeyError> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyError::Missing(path.to_owned()),
        _ => KeyError::Read { path: path.to_owned(), error },
    })?;
    // What is no text is no key either.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The file of a file's signature.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(SIGNATURE);
    name.into()
}
