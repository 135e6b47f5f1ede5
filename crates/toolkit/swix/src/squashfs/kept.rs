//! Compressed blocks on disk, for the next image: most of an image is what the last one had.
//!
//! A block is a file named by the digest of what is in it, with a digest of that and of the file's own bytes in front: one that
//! was damaged, or is another's, counts as not there. The directory belongs to one program, so that another compressor's blocks never meet its own.

use std::path::{Path, PathBuf};

use common::{Sha256, files};

/// Hexadecimal digits of a digest.
const DIGEST: usize = 64;

/// A directory of blocks, or none.
#[derive(Debug, Default, Clone)]
pub(super) struct Kept(Option<PathBuf>);

impl Kept {
    pub(super) fn new(directory: Option<&Path>) -> Self {
        Kept(directory.map(Path::to_owned))
    }

    pub(super) fn get(&self, content: &Sha256) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.file(content)?).ok()?;
        let (digest, block) = bytes.split_at_checked(DIGEST)?;
        (sum(content, block).as_bytes() == digest).then(|| block.to_owned())
    }

    /// That it cannot be kept is no reason to stop: it is compressed again the next time.
    pub(super) fn put(&self, content: &Sha256, block: &[u8]) {
        if let Some(file) = self.file(content) {
            let _ = files::write_atomically(&file, [sum(content, block).as_bytes(), block].concat());
        }
    }

    fn file(&self, content: &Sha256) -> Option<PathBuf> {
        let name = content.to_string();
        Some(self.0.as_ref()?.join(&name[..2]).join(name))
    }
}

fn sum(content: &Sha256, block: &[u8]) -> String {
    Sha256::of_bytes([content.to_string().as_bytes(), block].concat()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_block_comes_back_and_a_damaged_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::new(Some(directory.path()));
        let [content, other] = ["content", "other"].map(Sha256::of_bytes);
        kept.put(&content, b"block");
        assert_eq!(kept.get(&content).as_deref(), Some(b"block".as_slice()));
        assert_eq!(kept.get(&other), None);
        let file = kept.file(&content).unwrap();
        let of_other = kept.file(&other).unwrap();
        std::fs::create_dir_all(of_other.parent().unwrap()).unwrap();
        std::fs::copy(&file, of_other).unwrap();
        assert_eq!(kept.get(&other), None, "it is another's block");
        for damaged in [b"".as_slice(), b"short", &[&[0; DIGEST][..], b"block"].concat()] {
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(kept.get(&content), None);
        }
        assert_eq!(Kept::default().get(&content), None);
    }
}
