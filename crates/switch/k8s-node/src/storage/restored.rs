//! The state's part of a backup that is put back: the file that it comes into, made, made larger, or set aside where it cannot be read.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use contract::places;
use rustix::fs::statvfs;

use super::{
    Found, Whose, fill, flash, flash::Flash, grow, has_state, is_unfinished, look, make, mount, mount_state, name,
    size, size::Contents, unmount_new,
};

/// The state is at its place where it can be read: what is in it may be what is put back. Nothing is changed of one that cannot.
pub fn bring(node: &str) -> Result<()> {
    unmount_new()?;
    if matches!(look()?, Found::Unmounted) {
        match mount_state(Whose { cluster: RESTORED, node }) {
            Err(why) if !why.is::<mount::Refused>() => return Err(why),
            _ => {}
        }
    }
    Ok(())
}

/// Whom the marker names until the next bring-up.
const RESTORED: &str = "restored";

/// For a backup that is put back and was proved: the state is at its place, and where it cannot be read, an empty one that no bring-up takes
/// for its own, with room for so many bytes. What cannot be read is kept.
pub fn for_restore(node: &str, restored: u64) -> Result<()> {
    let restoring = Path::new(places::RESTORING).file_name().unwrap_or_default();
    let whose = Whose { cluster: RESTORED, node };
    // The marker names the new file before it counts.
    let begin = |state: &Path| {
        common::files::create_dir(&state.join(restoring))?;
        name(whose)
    };
    let room = || size::of_new(true, flash::left()?, Contents { there: 0, restored });
    let anew = |size| make(size, None, whose, begin, |_| Ok(())).map(drop);
    let lost = match look()? {
        Found::Mounted => return Ok(()),
        Found::Directory => {
            let there = has_state(places::STATE.as_ref());
            if there || Flash::of_state()?.keeps_modes || !flash::has_ext4()? {
                return Ok(());
            }
            return anew(room()?);
        }
        Found::Unmounted => match mount_state(whose) {
            Ok(_) => return Ok(()),
            Err(why) if why.is::<mount::Refused>() => {
                // What keeps every file from being mounted says nothing of this one.
                fill::try_out()?;
                format!("{why:#}")
            }
            Err(why) => return Err(why),
        },
        Found::Lost(why) => why,
    };
    println!("the state that was here cannot be read: {lost}");
    let damaged = Path::new(places::STATE_FILE_DAMAGED);
    let is_blank = || -> Result<bool> {
        let length = fs::metadata(places::STATE_FILE).map(|data| data.len()).unwrap_or_default();
        let file = Path::new(places::STATE_FILE);
        Ok(length == 0 || is_unfinished(file, mount::superblock(file)?.as_ref(), length)?)
    };
    // Before anything is moved.
    if !damaged.exists() && !is_blank()? {
        room().with_context(|| {
            format!("there is no room for another file beside {}, which {MAY_BE_WHOLE}", places::STATE_FILE)
        })?;
    }
    keep_damaged(places::STATE_FILE.as_ref(), damaged)?;
    anew(room()?)
}

/// The state's file has room for so many bytes, as far as the flash has it.
pub fn make_room(node: &str, bytes: u64) -> Result<()> {
    if !matches!(look()?, Found::Mounted) {
        return Ok(());
    }
    let space = statvfs(places::STATE).with_context(|| format!("cannot ask how full {} is", places::STATE))?;
    let left = space.f_bavail.saturating_mul(space.f_frsize);
    let superblock = mount::superblock(places::STATE_FILE.as_ref())?;
    let Some(superblock) = superblock.filter(|_| left < bytes) else { return Ok(()) };
    let asked = superblock.size() + size::growth(bytes - left);
    let grown = grow::grow(true, Some(asked), &mut |said| {
        println!("{said}");
        Ok(())
    });
    if let Err(why) = grown {
        // What is lacking is told by who asks for it.
        println!("{} does not become larger: {why:#}", places::STATE_FILE);
    }
    match look()? {
        Found::Unmounted => mount_state(Whose { cluster: RESTORED, node }).map(drop),
        _ => Ok(()),
    }
}

/// By which command the state's file has room for so many bytes more.
pub fn how_to_hold(bytes: u64) -> Result<String> {
    let superblock = mount::superblock(places::STATE_FILE.as_ref())?;
    let size = superblock.map(|superblock| superblock.size()).unwrap_or_default();
    let more = size::growth(bytes);
    Ok(format!(
        "and `k8s-node storage grow --to {}Mi` makes the file larger, once the flash has {} MiB left",
        (size + more) >> 20,
        (more + size::BESIDE) >> 20
    ))
}

/// Of a file that is kept.
pub(super) const MAY_BE_WHOLE: &str = "may be whole: copy it off the switch, and `e2fsck -fy` it elsewhere";

/// What cannot be read may be all that there is: it is removed by nobody but the operator.
fn keep_damaged(file: &Path, damaged: &Path) -> Result<()> {
    let length = match file.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        data => data.with_context(|| format!("cannot look at {}", file.display()))?.len(),
    };
    // A restore before this one, that a power cut has ended.
    if is_unfinished(file, mount::superblock(file)?.as_ref(), length)? && damaged.exists() {
        return fill::discard(file);
    }
    ensure!(
        !damaged.exists(),
        "{} cannot be read, and {} is there already, which is kept: either {MAY_BE_WHOLE}. Move one of the two off the switch, then this \
         again",
        file.display(),
        damaged.display()
    );
    fs::rename(file, damaged).with_context(|| format!("cannot rename {} to {}", file.display(), damaged.display()))?;
    flash::sync(places::PLAIN.as_ref())?;
    println!("it is kept as {}, and {MAY_BE_WHOLE}", damaged.display());
    Ok(())
}
