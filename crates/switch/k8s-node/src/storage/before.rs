//! The directory that the state was in before it came into its file: put aside, and kept until a boot without it was Ready.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::files;
use contract::places;

use super::{cover, flash, marker::Id, mount};

/// In a directory whose files are in the state's file: the number of the file system that has them.
pub const TAKEN: &str = "taken-over";

/// Says in a directory that this file system has all of it.
pub fn taken(directory: &Path, id: Id) -> Result<()> {
    files::write_atomically(&directory.join(TAKEN), format!("{id}\n"))
}

/// One rename.
pub fn put_aside() -> Result<()> {
    let state = Path::new(places::STATE);
    let is_empty = || fs::read_dir(state).map(|mut entries| entries.next().is_none());
    if state.is_dir()
        && !cover::is_in(state)
        && !is_empty().with_context(|| format!("cannot read {}", state.display()))?
    {
        let before = free_place();
        fs::rename(state, &before)
            .with_context(|| format!("cannot rename {} to {}", state.display(), before.display()))?;
        flash::sync(places::FLASH.as_ref())?;
        flash::sync(places::PLAIN.as_ref())?;
    }
    Ok(())
}

/// The operator's images go where `copy … flash:` reaches them.
pub fn keep_images() -> Result<()> {
    all().iter().try_for_each(|before| move_images(&before.join("images"), places::DROPPED_IMAGES.as_ref()))
}

/// Where nothing is. A power cut in a rename can leave both names on a flash without a journal, and what is cut off of either is then put
/// aside beside the other.
fn free_place() -> PathBuf {
    let mut place = PathBuf::from(places::STATE_BEFORE);
    for number in 2.. {
        if !place.exists() {
            break;
        }
        place = format!("{}-{number}", places::STATE_BEFORE).into();
    }
    place
}

/// All that was put aside.
pub fn all() -> Vec<PathBuf> {
    let aside = Path::new(places::STATE_BEFORE);
    let name = aside.file_name().unwrap_or_default().to_string_lossy();
    let entries = fs::read_dir(places::PLAIN).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| {
            let entry = entry.file_name();
            let entry = entry.to_string_lossy();
            entry.strip_prefix(&*name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

fn move_images(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    files::create_dir(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let place = to.join(entry.file_name());
        if !place.exists() {
            fs::rename(entry.path(), &place)
                .with_context(|| format!("cannot move {} to {}", entry.path().display(), place.display()))?;
        }
    }
    Ok(())
}

/// Those that the state's file, which is there, has all of; and the others, which nobody else has.
pub fn by_taken() -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let all = all();
    let file = Path::new(places::STATE_FILE);
    let superblock = if all.is_empty() || !file.exists() { None } else { mount::superblock(file)? };
    let id = superblock.map(|superblock| Id(superblock.uuid()).to_string());
    Ok(all.into_iter().partition(|before| {
        let said = fs::read_to_string(before.join(TAKEN)).ok();
        id.is_some() && said.as_deref().map(str::trim) == id.as_deref()
    }))
}

/// What a bring-up that has come to its end does about it: nothing in the boot that has put it aside, and never with what is nowhere else.
pub fn forget() -> Result<Option<String>> {
    let (before, _) = by_taken()?;
    if before.is_empty() || Path::new(places::TAKEN_OVER).exists() {
        return Ok(None);
    }
    before.iter().try_for_each(|before| files::remove_tree(before))?;
    Ok(Some(format!("removed {}, where the state was before", places::STATE_BEFORE)))
}
