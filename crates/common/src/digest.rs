//! SHA-256 digests of bytes, files and trees.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A SHA-256 digest. Reads and prints as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

impl Sha256 {
    pub fn of_bytes(bytes: impl AsRef<[u8]>) -> Self {
        Sha256(sha2::Sha256::digest(bytes).into())
    }

    pub fn of_reader(mut reader: impl Read) -> io::Result<Self> {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                n => hasher.update(&buffer[..n]),
            }
        }
    }

    pub fn of_file(path: &Path) -> io::Result<Self> {
        Self::of_reader(fs::File::open(path)?)
    }

    /// The digest of a file, or of everything below a directory: relative names in byte order, kinds,
    /// the executable bit, links' targets and contents. Times and owners do not count.
    pub fn of_tree(root: &Path) -> io::Result<Self> {
        let mut hasher = Hasher::default();
        for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
            let entry = entry?;
            let name = entry.path().strip_prefix(root).unwrap_or(entry.path());
            hasher.field(name.as_os_str().as_encoded_bytes());
            let kind = entry.file_type();
            if kind.is_dir() {
                hasher.field(b"dir");
            } else if kind.is_symlink() {
                hasher.field(b"link");
                hasher.field(fs::read_link(entry.path())?.as_os_str().as_encoded_bytes());
            } else {
                let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
                hasher.field(if executable { b"program" } else { b"file" });
                hasher.field(&Self::of_file(entry.path())?.0);
            }
        }
        Ok(hasher.finish())
    }

    /// The first 16 digits: enough to name a file in a cache, short enough to read.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..8])
    }
}

/// A digest in the making, for data that passes by in pieces.
#[derive(Default, Clone)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a value with its length in front, so that neighbours cannot run into each other.
    pub fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a SHA-256 digest: expected 64 hexadecimal digits, found {found}")]
pub struct BadDigest {
    text: String,
    found: String,
}

impl FromStr for Sha256 {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = |found: String| BadDigest { text: text.to_owned(), found };
        if text.len() != 64 {
            return Err(bad(format!("{} characters", text.chars().count())));
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| bad("other characters".into()))?;
        Ok(Sha256(bytes))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> String {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_known_bytes_is_the_published_one() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of_bytes("abc").to_string(), abc);
        assert_eq!(abc.parse::<Sha256>().unwrap(), Sha256::of_bytes("abc"));
    }

    #[test]
    fn a_digest_of_the_wrong_length_says_how_long_it_is() {
        let error = "ba78".parse::<Sha256>().unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal digits") && error.contains("4 characters"), "{error}");
    }

    #[test]
    fn a_tree_changes_with_a_name_a_mode_a_link_and_a_byte() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        let mut seen = vec![Sha256::of_tree(dir.path()).unwrap()];
        let mut changed = |what: &str| {
            let digest = Sha256::of_tree(dir.path()).unwrap();
            assert!(!seen.contains(&digest), "{what} went unnoticed");
            seen.push(digest);
        };
        fs::write(&file, "1").unwrap();
        changed("a new file");
        fs::write(&file, "2").unwrap();
        changed("a byte");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        changed("the executable bit");
        std::os::unix::fs::symlink("a", dir.path().join("b")).unwrap();
        changed("a link");
        fs::rename(&file, dir.path().join("c")).unwrap();
        changed("a name");
    }
}
