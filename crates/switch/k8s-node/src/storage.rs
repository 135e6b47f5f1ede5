//! Where this switch's state is: a directory of the flash, and on a flash that keeps no modes a file system in one file on it, which is
//! mounted at that directory.
//!
//! vfat keeps no modes and has no journal. The file has its whole size from the beginning, so that the flash's own tables do not change
//! while it is in use, and what is in it has ext4's journal. A marker beside it names the cluster: where there is a marker and no
//! state that can be read, nothing begins.

mod before;
mod cover;
mod ext4;
mod fill;
mod flash;
mod grow;
mod images;
mod kept;
mod marker;
mod mount;
mod report;
mod restored;
mod size;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use cluster::{Storage, state};
use common::{files, mounts};
use contract::{places, services, status::Kept};

use self::{
    ext4::Superblock,
    flash::Flash,
    marker::{Id, Marker},
    size::Contents,
};
use crate::{desired::turn, switch::Switch, systemd, volumes};

pub use before::forget as forget_before;
pub use grow::run as grow;
pub use kept::StateMounted;
pub use report::{Report, of_directory, report};
pub use restored::{bring, for_restore, how_to_hold, make_room};

/// Of a file that has the state.
const LABEL: &str = "k8s-state";
/// Of one that is still being made.
const UNFINISHED_LABEL: &str = "k8s-unfinished";
/// In the state's directory.
const PKI: &str = "pki";

/// Where the state is, as it is found.
enum Found {
    /// In the directory, or nowhere yet.
    Directory,
    Mounted,
    Unmounted,
    /// There has been one, and it cannot be read: why.
    Lost(String),
}

fn look() -> Result<Found> {
    let file = Path::new(places::STATE_FILE);
    if mount::is_mounted(file, places::STATE.as_ref())? {
        return Ok(Found::Mounted);
    }
    let marker = Marker::read()?;
    let is_named = marker != Marker::None || cover::is_in(places::STATE.as_ref());
    let length = match fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        data => Some(data.with_context(|| format!("cannot look at {}", file.display()))?.len()),
    };
    let Some(length) = length else {
        return Ok(if is_named { Found::Lost(format!("{} is not there", file.display())) } else { Found::Directory });
    };
    let here = Path::new(places::STATE);
    Ok(match mount::superblock(file)? {
        Some(superblock) if superblock.label() == LABEL => {
            if superblock.size() > length {
                let (is, was) = (length >> 20, superblock.size() >> 20);
                return Ok(Found::Lost(format!("{} was cut off: it has {is} of {was} MiB", file.display())));
            }
            match marker {
                Marker::Names { id, .. } if id != Id(superblock.uuid()) => Found::Lost(format!(
                    "{} is another one than {} names, by its number {id}",
                    file.display(),
                    places::STATE_MARKER
                )),
                // A power cut before the directory was put aside, which an older release may have gone on with: it is taken over again.
                Marker::None if has_state(here) && before::all().is_empty() => Found::Directory,
                Marker::Names { .. } | Marker::Damaged if has_state(here) => Found::Lost(format!(
                    "the directory {} has keys or etcd's data, too, as an older release makes them, and nobody can tell which count: move \
                     the directory away, or the file with {}",
                    here.display(),
                    places::STATE_MARKER
                )),
                _ => Found::Unmounted,
            }
        }
        _ if is_named => Found::Lost(format!("{} has no file system that can be read", file.display())),
        // A power cut while it was made, before anything was in it alone.
        found if is_unfinished(file, found.as_ref(), length)? => Found::Directory,
        _ => Found::Lost(format!(
            "{} is no file system that can be read, and none that was not finished",
            file.display()
        )),
    })
}

/// Whether a directory has the state of this release or an older one, or a part of one.
fn has_state(directory: &Path) -> bool {
    let at = |place: &str| directory.join(Path::new(place).file_name().unwrap_or_default());
    let snapshots = fs::read_dir(at(places::SNAPSHOTS)).is_ok_and(|mut there| there.next().is_some());
    let is_there = [places::PKI, places::ETCD, places::RESTORING].into_iter().any(|place| at(place).is_dir());
    is_there || snapshots || cover::has_key_of_secrets(directory)
}

/// Whether it is as a power cut leaves a file that is being made: nothing is in it that is not elsewhere.
fn is_unfinished(file: &Path, superblock: Option<&Superblock>, length: u64) -> Result<bool> {
    Ok(match superblock {
        Some(superblock) => superblock.label() == UNFINISHED_LABEL,
        None => length < ext4::GROUP || mount::is_blank(file)?,
    })
}

fn lost(why: &str) -> String {
    let whose = match Marker::read() {
        Ok(Marker::Names { cluster, node, .. }) => format!(" of {node} in cluster {cluster}"),
        _ => String::new(),
    };
    format!(
        "the state{whose} cannot be read: {why}. No new cluster is made in its place: `k8s-node restore FILE` puts a backup of the master \
         back; `k8s-node reset` forgets this switch's part of the cluster, after which a worker joins again (`k8s-node admit` on the \
         master) and a master begins a new cluster"
    )
}

/// What a bring-up finds, and is to be said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ready {
    pub said: Option<String>,
    pub warning: Option<String>,
}

/// The state is at its place, or there is none yet. Fails where there has been one. `say` is told what takes long.
pub fn ready(switch: &Switch, say: impl FnMut(&str) -> Result<()>) -> Result<Ready> {
    let Switch { cluster, node } = switch;
    // The reconciler mounts it, too.
    let _turn = turn(Kept::Mounts)?;
    unmount_new()?;
    let whose = Whose { cluster: &cluster.name, node: &node.name };
    Ok(match look()? {
        Found::Mounted => Ready { said: None, warning: complete(whose) },
        Found::Unmounted => Ready {
            warning: mount_state(whose)?,
            said: Some(format!("mounted {} at {}", places::STATE_FILE, places::STATE)),
        },
        Found::Lost(why) => bail!(lost(&why)),
        Found::Directory => match choose(&Flash::of_state()?, cluster.storage, node.master)? {
            Choice::Stay(warning) => return Ok(Ready { said: None, warning }),
            Choice::File { size, from } => {
                // Nobody writes what has been copied before it is put aside.
                let _writer = from.map(|from| state::lock_directory(&from.join(PKI))).transpose()?;
                let made = fill::make(size, from, |_| Ok(()), say);
                match (made, from) {
                    (Err(why), Some(from)) => {
                        let warning = format!("the state stays in {}, and goes on: {why:#}", from.display());
                        return Ok(Ready { said: None, warning: Some(warning) });
                    }
                    (made, _) => made?,
                }
                Ready {
                    warning: mount_made(whose)?,
                    said: Some(format!("put the state into {}, of {} MiB", places::STATE_FILE, size >> 20)),
                }
            }
        },
    })
}

/// Whom the marker names.
#[derive(Debug, Clone, Copy)]
struct Whose<'a> {
    cluster: &'a str,
    node: &'a str,
}

enum Choice {
    Stay(Option<String>),
    File { size: u64, from: Option<&'static Path> },
}

/// What is to be done where the state is in the directory, or where there is none.
fn choose(flash: &Flash, storage: Storage, master: bool) -> Result<Choice> {
    if flash.keeps_modes || Path::new(places::RESTORING).exists() {
        return Ok(Choice::Stay(None));
    }
    let is_there = has_state(places::STATE.as_ref());
    let stay = |why: String| match is_there {
        true => Ok(Choice::Stay(Some(why))),
        false => bail!(why),
    };
    if !flash::has_ext4()? {
        let risk = without_ext4(flash);
        return match storage.allow_vfat {
            true => Ok(Choice::Stay(Some(format!("{risk}: `allow_vfat` in {} takes that", places::CLUSTER_TOML)))),
            false => {
                stay(format!("{risk}: `allow_vfat = true` under [storage] in {} takes that", places::CLUSTER_TOML))
            }
        };
    }
    if is_there && !storage.take_over {
        return Ok(Choice::Stay(Some(format!(
            "the flash is {}, where whoever is in its group reads this node's keys: {}",
            flash.kind,
            how_to_take_over()
        ))));
    }
    if is_there && is_in_use()? {
        return stay(format!(
            "the flash is {}, where whoever is in its group reads this node's keys: at the next boot they go into {}",
            flash.kind,
            places::STATE_FILE
        ));
    }
    // What a power cut has left of one takes room, and has nothing in it that is not elsewhere.
    fill::discard(places::STATE_FILE.as_ref())?;
    let from = is_there.then_some(Path::new(places::STATE));
    let there = from.map(fill::size_of).transpose()?.unwrap_or_default();
    let size = size::of_new(master, flash::left()?, Contents { there, restored: 0 });
    let most = size::largest(&flash.kind);
    let size = size.and_then(|size| {
        ensure!(size <= most, "the state would need a file of {} MiB, and the flash takes {}", size >> 20, most >> 20);
        Ok(size)
    });
    match size.and_then(|size| fill::try_out().map(|()| size)) {
        Ok(size) => Ok(Choice::File { size, from }),
        Err(why) => stay(format!("{why:#}")),
    }
}

fn without_ext4(flash: &Flash) -> String {
    format!(
        "the flash is {}, where whoever is in its group reads this node's keys, and a power cut can take files; this kernel has no ext4, \
         which would keep them",
        flash.kind
    )
}

/// Why no state could be made here; nothing where there is one.
pub fn refusal(storage: Storage, master: bool) -> Result<Option<String>> {
    refusal_on(&Flash::of_state()?, storage, master)
}

fn refusal_on(flash: &Flash, storage: Storage, master: bool) -> Result<Option<String>> {
    if flash.keeps_modes || has_state(places::STATE.as_ref()) || !matches!(look()?, Found::Directory) {
        return Ok(None);
    }
    if !flash::has_ext4()? {
        let fix = format!("take another EOS, or `allow_vfat = true` under [storage] in {}", places::CLUSTER_TOML);
        return Ok((!storage.allow_vfat).then(|| format!("{}: {fix}", without_ext4(flash))));
    }
    Ok(size::of_new(master, flash::left()?, Contents::default()).err().map(|why| format!("{why:#}")))
}

/// What keeps the keys of a directory from others.
fn how_to_take_over() -> String {
    format!(
        "`take_over = true` under [storage] in {} has the next boot take them into {}; make a backup before",
        places::CLUSTER_TOML,
        places::STATE_FILE
    )
}

/// Whether something of Kubernetes runs, and writes where the state is.
fn is_in_use() -> Result<bool> {
    let units = services::NAMES.iter().map(|name| format!("{name}.service"));
    for unit in units.chain([services::ENROLMENT.to_owned(), services::SNAPSHOT.to_owned()]) {
        if systemd::is_active(&unit)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn make(
    size: u64,
    from: Option<&Path>,
    whose: Whose,
    begin: impl FnOnce(&Path) -> Result<()>,
    say: impl FnMut(&str) -> Result<()>,
) -> Result<Option<String>> {
    fill::make(size, from, begin, say)?;
    mount_made(whose)
}

/// The marker comes when no directory is left that could count: one that is there beside it is another release's.
fn mount_made(whose: Whose) -> Result<Option<String>> {
    require_free()?;
    files::write_atomically(places::TAKEN_OVER.as_ref(), "")?;
    cover_directory()?;
    name(whose)?;
    mount_state(whose)
}

/// What a power cut after the file was made has left undone is done here, too. What the flash has no room for keeps no state down that can
/// be read: it is said.
fn mount_state(whose: Whose) -> Result<Option<String>> {
    require_free()?;
    cover_directory()?;
    mount::mount(places::STATE_FILE.as_ref(), places::STATE.as_ref()).with_context(
        || "the state cannot be mounted: `k8s-node restore` and `k8s-node reset` are for one that is lost",
    )?;
    Ok(complete(whose))
}

/// Fails where somebody else's is mounted at the place.
fn require_free() -> Result<()> {
    if let Some(mount) = mount::at(places::STATE.as_ref())? {
        bail!(
            "{} ({}) is mounted at {}, and this switch's state is in {}: unmount it, or move the file away with {} for a state there",
            mount.source,
            mount.kind,
            places::STATE,
            places::STATE_FILE,
            places::STATE_MARKER
        );
    }
    Ok(())
}

fn cover_directory() -> Result<()> {
    before::put_aside()?;
    let state = Path::new(places::STATE);
    if cover::is_in(state) { Ok(()) } else { cover::ensure(state) }
}

fn name(whose: Whose) -> Result<()> {
    match mount::superblock(places::STATE_FILE.as_ref())? {
        Some(superblock) => Marker::ensure(Id(superblock.uuid()), whose.cluster, whose.node),
        None => bail!("{} has lost its file system", places::STATE_FILE),
    }
}

/// What is to be beside a state that is mounted. Says what could not be done.
fn complete(whose: Whose) -> Option<String> {
    let directories = || {
        let directories = [places::DROPPED_IMAGES, places::DROPPED_CA, places::DROPPED_PKI];
        directories.into_iter().try_for_each(|directory| files::create_dir(directory.as_ref()))
    };
    let done = [name(whose), directories(), before::keep_images(), images::move_out(places::STATE.as_ref())];
    let failed: Vec<String> = done.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    (!failed.is_empty()).then(|| failed.join("; "))
}

/// A bring-up that was ended while it made the file has left it mounted.
fn unmount_new() -> Result<()> {
    volumes::unmount_below(places::NEW_STATE.as_ref())
}

/// Takes the file out of its place, as far as it is one. What is in it stays.
pub fn unmount() -> Result<()> {
    unmount_new()?;
    match mount::is_mounted(places::STATE_FILE.as_ref(), places::STATE.as_ref())? {
        true => mount::unmount(places::STATE_FILE.as_ref(), places::STATE.as_ref()),
        false => Ok(()),
    }
}

/// Forgets the state, whatever it is in: nobody finds it any more.
pub fn forget() -> Result<()> {
    unmount()?;
    keep_images()?;
    if cover::is_in(places::STATE.as_ref()) {
        files::remove_tree(places::STATE.as_ref())?;
    }
    for file in [places::STATE_FILE, places::STATE_FILE_DAMAGED] {
        fill::discard(file.as_ref())?;
    }
    before::all().iter().try_for_each(|before| files::remove_tree(before))?;
    files::remove_tree(places::STATE_MARKER.as_ref())
}

/// Archives of images that are in the file go before it goes. One that cannot be mounted has none that could be read.
fn keep_images() -> Result<()> {
    let (file, place) = (Path::new(places::STATE_FILE), Path::new(places::NEW_STATE));
    if !matches!(look()?, Found::Unmounted) || mount::mount(file, place).is_err() {
        return Ok(());
    }
    let kept = images::move_out(place);
    mount::unmount(file, place)?;
    kept
}

/// Whether a place is in the state's file, and not on the flash itself.
pub fn is_in_file(place: &Path) -> Result<bool> {
    let held = mounts::holding(place)?;
    Ok(held.place == Path::new(places::STATE) && mount::is_mounted(places::STATE_FILE.as_ref(), &held.place)?)
}

/// Whether this switch has, or has had, a state that is not in the directory now.
pub fn is_elsewhere() -> Result<bool> {
    Ok(matches!(look()?, Found::Unmounted | Found::Lost(_)))
}

#[cfg(test)]
mod power_cuts;
#[cfg(test)]
mod tests;
