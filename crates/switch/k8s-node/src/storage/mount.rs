//! The state's file, mounted and unmounted.

use std::{
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use common::{
    command, files,
    mounts::{self, Mount},
};
use contract::places;

use super::{LABEL, ext4::Superblock};
use crate::{program, volumes};

/// Others see what they want of it by its modes; what a power cut leaves in the middle of a transaction is not replayed.
const OPTIONS: &str = "nosuid,nodev,noatime,errors=remount-ro,journal_checksum";

/// e2fsck of 16 GiB, on a slow flash.
const CHECK: Duration = Duration::from_secs(15 * 60);

/// Of e2fsck's exit codes, those up to here say that nothing is wrong any more.
const REPAIRED: i32 = 3;

/// The ones that say that something is wrong still, or that it is no file system that e2fsck knows.
const UNREPAIRED: i32 = 4 | 8;

/// Whoever looks at every device, as udev does, holds a loop device for a moment longer than its mount.
const ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Mounts the file system, once its journal is replayed and e2fsck, where EOS has it, has repaired what it repairs without being asked.
///
/// One that is still in use, as what has it open keeps a file system that is unmounted, is mounted by the loop device that it has: by a
/// second one, the kernel would take it for another file system, and the two would destroy each other. Nor may e2fsck write to it.
pub fn mount(file: &Path, place: &Path) -> Result<()> {
    files::create_dir(place)?;
    if let Some(device) = attached(file)? {
        return mount_with(&device, place, OPTIONS).context(Refused);
    }
    check(file)?;
    mount_with(file, place, &format!("loop,{OPTIONS}")).context(Refused)
}

/// What is in the file was not mounted. That may be for what is in it, or for what this switch lacks.
#[derive(Debug)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("see what `dmesg` says of it")
    }
}

/// As it is, to read it.
pub fn mount_read_only(file: &Path, place: &Path) -> Result<()> {
    mount_with(file, place, "loop,ro,nosuid,nodev")
}

fn mount_with(file: &Path, place: &Path, options: &str) -> Result<()> {
    let mount = program::new("mount", "mount the state's file")?.args(["-t", "ext4", "-o", options]);
    mount.arg(file).arg(place).read().map(drop)
}

/// Whether EOS has what repairs a file system.
pub fn is_checked() -> bool {
    command::find_on_path("e2fsck").is_some()
}

fn check(file: &Path) -> Result<()> {
    // Where the kernel has found an error it says so; the status tells it, and what is whole can be read and saved.
    if !is_checked() {
        return Ok(());
    }
    let output = program::new("e2fsck", "check the state's file")?.arg("-p").arg(file).limit(CHECK).output()?;
    match output.status.code() {
        Some(code) if code <= REPAIRED => Ok(()),
        code => {
            let why = anyhow!(
                "e2fsck does not repair {} by itself ({}): {}; `e2fsck -y {}` repairs what can be, and what is damaged may be lost",
                file.display(),
                output.status,
                String::from_utf8_lossy(&output.stdout).trim(),
                file.display()
            );
            Err(if code.is_some_and(|code| code & UNREPAIRED != 0) { why.context(Refused) } else { why })
        }
    }
}

pub fn superblock(file: &Path) -> Result<Option<Superblock>> {
    let reading = || format!("cannot read {}", file.display());
    Superblock::read(&fs::File::open(file).with_context(reading)?).with_context(reading)
}

/// Whether nobody has made a file system in it yet, or given it a label that counts.
pub fn is_blank(file: &Path) -> Result<bool> {
    let blank = || {
        let open = fs::File::open(file)?;
        let copy = Superblock::read_copy(&open)?;
        Ok::<_, std::io::Error>(Superblock::is_blank(&open)? && copy.is_none_or(|copy| copy.label() != LABEL))
    };
    blank().with_context(|| format!("cannot read {}", file.display()))
}

/// The file is nobody's when this returns, and can be written.
pub fn unmount(file: &Path, place: &Path) -> Result<()> {
    volumes::unmount_below(place)?;
    for _ in 0..ROUNDS {
        if attached(file)?.is_none() {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    bail!(
        "{} is unmounted from {} and still in use, by a process that has it in a mount namespace of its own: end it (`losetup -a`, \
         `grep -l {} /proc/*/mountinfo`), or boot the switch",
        file.display(),
        place.display(),
        places::STATE
    )
}

/// What is mounted at a place itself; of several, the one that is seen.
pub fn at(place: &Path) -> Result<Option<Mount>> {
    let Ok(real) = fs::canonicalize(place) else { return Ok(None) };
    Ok(mounts::at_or_below(place)?.into_iter().rfind(|mount| mount.place == real))
}

/// Whether it is the state's file that is mounted here.
pub fn is_mounted(file: &Path, place: &Path) -> Result<bool> {
    let device = at(place)?.and_then(|mount| Path::new(&mount.source).file_name().map(OsStr::to_owned));
    Ok(device.and_then(|name| backing_file(&name)).is_some_and(|backing| backing == file))
}

/// The loop device that has this file, if one has.
fn attached(file: &Path) -> Result<Option<PathBuf>> {
    let devices = fs::read_dir("/sys/block").context("cannot read /sys/block")?;
    let is_of = |name: &OsStr| backing_file(name).is_some_and(|backing| backing == file);
    if !devices.flatten().any(|device| is_of(&device.file_name())) {
        return Ok(None);
    }
    // A file of this name in another mount namespace is another file, which losetup knows by its number.
    let said = program::new("losetup", "see which loop device has the state's file")?.arg("-j").arg(file).read()?;
    Ok(said.lines().next().and_then(|line| line.split_once(':')).map(|(device, _)| device.into()))
}

/// What a loop device is of, by its name.
fn backing_file(name: &OsStr) -> Option<PathBuf> {
    let backing = fs::read_to_string(Path::new("/sys/block").join(name).join("loop/backing_file")).ok()?;
    Some(backing.trim_end_matches('\n').into())
}
