//! What is written down of the images that were loaded.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};
use common::files;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// The ids of images that Docker did not have.
    pub loaded: Vec<String>,
    pub taken: Vec<Taken>,
}

/// A name that an archive has given to an image.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    pub tag: String,
    /// Of the archive's image.
    pub id: String,
    /// The image that had the name.
    pub before: Option<String>,
}

impl Record {
    /// An empty one where there is none.
    pub fn read(file: &Path) -> Result<Self> {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::default()),
            text => text.with_context(|| format!("cannot read {}", file.display()))?,
        };
        serde_json::from_str(&text).with_context(|| {
            format!("{} does not say which images were loaded: remove it, and those images by hand", file.display())
        })
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        files::write_atomically(file, serde_json::to_vec(self)?)
    }

    pub fn remove(file: &Path) -> Result<()> {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", file.display()))
            }
            _ => Ok(()),
        }
    }

    pub fn add(&mut self, id: &str) {
        if !self.loaded.iter().any(|known| known == id) {
            self.loaded.push(id.to_owned());
        }
    }

    /// That a name is about to be given to an image, and which image has it now. Where an archive of ours gave it to that one, or
    /// nobody has it, it is still the one's that had it before.
    pub fn take(&mut self, tag: &str, id: &str, now: Option<String>) {
        let known = self.taken.iter().position(|taken| taken.tag == tag).map(|place| self.taken.remove(place));
        let before = match known {
            Some(known) if now.is_none() || now.as_ref() == Some(&known.id) => known.before,
            _ => now,
        };
        self.taken.push(Taken { tag: tag.to_owned(), id: id.to_owned(), before });
    }
}
