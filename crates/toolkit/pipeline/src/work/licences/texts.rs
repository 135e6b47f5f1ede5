//! Licences' texts, each kept once: a file of its own in `texts/`, and all of them in one file for dist/.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use common::{Sha256, files};

/// Their directory.
pub(super) const TEXTS: &str = "texts";

/// Texts by the names of their files.
#[derive(Default)]
pub(super) struct Texts(BTreeMap<String, String>);

impl Texts {
    /// Keeps a text, and says what its file is called.
    pub(super) fn keep(&mut self, text: &str) -> String {
        let text = normal(text);
        let name = format!("{}.txt", Sha256::of_bytes(&text).short());
        self.0.insert(name.clone(), text);
        name
    }

    pub(super) fn write(&self, to: &Path) -> Result<()> {
        self.0.iter().try_for_each(|(name, text)| files::write_atomically(&to.join(TEXTS).join(name), text))
    }

    /// The index and every text.
    pub(super) fn in_one(&self, index: &str) -> String {
        let line = "-".repeat(79);
        let texts = self.0.iter().map(|(name, text)| format!("\n{line}\n{TEXTS}/{name}\n{line}\n\n{text}"));
        index.to_owned() + &texts.collect::<String>()
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}

/// What a file says, whatever its letters are written in.
pub(super) fn read(file: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&files::read(file)?).into_owned())
}

/// The same text however its lines end.
fn normal(text: &str) -> String {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned() + "\n"
}
