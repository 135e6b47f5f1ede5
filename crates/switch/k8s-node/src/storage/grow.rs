//! `k8s-node storage grow`: the state's file made larger, on a switch that is stopped.

use std::{fs::File, path::Path};

use anyhow::{Context, Result, bail, ensure};
use common::{
    files,
    lock::{After, Lock, Tried},
    mounts,
};
use contract::{places, services};

use super::{Found, ext4, fill, flash, look, lost, mount, size};
use crate::{restore, switch::Switch};

/// `asked`: so many bytes, in the place of what the node takes at most.
pub fn run(asked: Option<u64>) -> Result<()> {
    restore::require_stopped()?;
    files::create_dir(places::RUN.as_ref())?;
    let Tried::Got(_turn) = Lock::try_acquire(places::STAGE_LOCK.as_ref(), After::Stays)? else {
        bail!("a stage of the bring-up is being run: `k8s-node down`, then this again");
    };
    let Switch { node, .. } = Switch::load()?;
    let (before, after) = grow(node.master, asked, &mut |said| {
        println!("{said}");
        Ok(())
    })?;
    println!(
        "{} has {} MiB now, before {}; `systemctl start {}` brings the switch up",
        places::STATE_FILE,
        after >> 20,
        before >> 20,
        services::BOOTSTRAP
    );
    Ok(())
}

/// The size before and after. What is cut off in here has its size of before, until this is done again.
pub(super) fn grow(master: bool, asked: Option<u64>, say: &mut impl FnMut(&str) -> Result<()>) -> Result<(u64, u64)> {
    let file = Path::new(places::STATE_FILE);
    match look()? {
        Found::Directory => {
            bail!("the state is in a directory of the flash, {}, and has all of its room", places::STATE)
        }
        Found::Lost(why) => bail!(lost(&why)),
        Found::Mounted => mount::unmount(file, places::STATE.as_ref())?,
        Found::Unmounted => {}
    }
    // Replays the journal of one that a power cut has left.
    mount::mount(file, places::NEW_STATE.as_ref())?;
    mount::unmount(file, places::NEW_STATE.as_ref())?;
    let superblock = mount::superblock(file)?.with_context(|| format!("{} has no file system", file.display()))?;
    let before = superblock.size();
    // A growth that was cut off has taken its room already.
    let length = file.metadata().with_context(|| format!("cannot look at {}", file.display()))?.len();
    let largest = size::largest(&mounts::holding(places::PLAIN.as_ref())?.kind);
    let after = size::of_grown(master, before, asked, flash::left()? + (length - before), largest)?;
    let open = File::options().read(true).write(true).open(file);
    let mut open = open.with_context(|| format!("cannot write {}", file.display()))?;
    let grown = lengthen(&mut open, before, after, say)
        .with_context(|| format!("cannot make the file system in {} larger", file.display()));
    // The room is given back, unless the file system has it already.
    if grown.is_err() && mount::superblock(file).is_ok_and(|found| found.is_some_and(|found| found.size() == before)) {
        let _ = open.set_len(before).and_then(|()| open.sync_all());
    }
    grown.map(|()| (before, after))
}

fn lengthen(open: &mut File, before: u64, after: u64, say: &mut impl FnMut(&str) -> Result<()>) -> Result<()> {
    fill::lengthen(open, before, after, say)?;
    // What a growth that was cut off has had behind it is no part of it.
    open.set_len(after)?;
    ensure!(ext4::grow(open)?, "it was not unmounted as it should be: `e2fsck -f {}`", places::STATE_FILE);
    Ok(())
}
