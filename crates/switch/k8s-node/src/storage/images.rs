//! The operator's archives of images, which are no part of the state: they would fill its file.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use common::{digest::Sha256, files};
use contract::places;

/// Those that lie in the file, below where it is mounted.
pub fn inside(state: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(state.join("images")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

/// Brings them to where `copy … flash:` reaches them. What has no room there stays.
pub fn move_out(state: &Path) -> Result<()> {
    for from in inside(state) {
        let to = Path::new(places::DROPPED_IMAGES).join(from.file_name().unwrap_or_default());
        bring(&from, &to).with_context(|| {
            format!(
                "{} fills the state's file, and does not come to {}: move it away",
                from.display(),
                places::DROPPED_IMAGES
            )
        })?;
    }
    // One that has something else in it is somebody's.
    let _ = fs::remove_dir(state.join("images"));
    Ok(())
}

fn bring(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        let digest = |path: &Path| Sha256::of_file(path).with_context(|| format!("cannot read {}", path.display()));
        ensure!(digest(from)? == digest(to)?, "another one of this name is there");
    } else {
        files::replace_alone(to, |file| io::copy(&mut File::open(from)?, file).map(drop))?;
    }
    fs::remove_file(from).with_context(|| format!("cannot remove {}", from.display()))
}
