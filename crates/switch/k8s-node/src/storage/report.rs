//! What `k8s-node status` says of the state: where it is, who can read its keys, how full it is, and when it was copied last.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use anyhow::{Context, Result};
use cluster::pki::Credential;
use contract::places;
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::{
    Found, before, flash, flash::Flash, has_state, how_to_take_over, images, look, lost, mount, restored::MAY_BE_WHOLE,
};
use crate::{dropped, snapshots};

#[derive(Debug, Default)]
pub struct Report {
    pub problem: Option<String>,
    pub remarks: Vec<String>,
}

/// Nothing of a directory on a flash that keeps modes, but for what is open there all the same.
pub fn report(master: bool) -> Result<Report> {
    let mut report = Report::default();
    match look()? {
        Found::Mounted => {
            report.problem = read_only()?.or(errors()?).or_else(images_inside);
            report.remarks.push(in_file()?);
            report.remarks.extend(master.then(copied));
        }
        Found::Unmounted if mount::at(places::STATE.as_ref())?.is_some() => {
            report.problem = Some(format!(
                "something else is mounted at {}, over the state, which is in {}: unmount it (`grep {} /proc/self/mountinfo` says what it is)",
                places::STATE,
                places::STATE_FILE,
                places::STATE
            ));
        }
        Found::Unmounted => report.remarks.push(format!(
            "the state is in {}, which is not mounted now: the bring-up does that, and it is as it was",
            places::STATE_FILE
        )),
        Found::Lost(why) => report.problem = Some(lost(&why)),
        Found::Directory => report.remarks.extend(open_keys()?),
    }
    let (taken, left) = before::by_taken()?;
    for left in left {
        report.remarks.push(format!(
            "{} has another state, with its keys, which nothing else has: look what it is, and move it off the switch",
            left.display()
        ));
    }
    if !taken.is_empty() {
        report.remarks.push(format!(
            "{} has the state of before, with its keys, until a boot without it was Ready",
            places::STATE_BEFORE
        ));
    }
    if Path::new(places::STATE_FILE_DAMAGED).exists() {
        report.remarks.push(format!("{} could not be read, and {MAY_BE_WHOLE}", places::STATE_FILE_DAMAGED));
    }
    report.remarks.extend(dropped::keys_behind());
    Ok(report)
}

/// The kernel lets nobody write any more where it has found an error.
fn read_only() -> Result<Option<String>> {
    let space = statvfs(places::STATE).with_context(|| format!("cannot ask how {} is mounted", places::STATE))?;
    Ok(space.f_flag.contains(StatVfsMountFlags::RDONLY).then(|| {
        format!(
            "the state in {} can only be read: see what `dmesg` says of it; boot the switch, which has e2fsck repair it where EOS has that",
            places::STATE_FILE
        )
    }))
}

/// Where EOS has no e2fsck nobody repairs what the kernel has found.
fn errors() -> Result<Option<String>> {
    let superblock = mount::superblock(places::STATE_FILE.as_ref())?;
    let has_errors = superblock.is_some_and(|superblock| superblock.has_errors());
    Ok(has_errors.then(|| match mount::is_checked() {
        true => format!("the kernel has found errors in {}: boot the switch, and e2fsck repairs it", places::STATE_FILE),
        false => format!(
            "the kernel has found errors in {0}, and EOS has no e2fsck to repair them: `k8s-node backup`, then `k8s-node down`, copy {0} off \
             the switch, `e2fsck -fy` it elsewhere, and copy it back",
            places::STATE_FILE
        ),
    }))
}

fn images_inside() -> Option<String> {
    let inside = images::inside(places::STATE.as_ref());
    let first = inside.first()?;
    Some(format!(
        "{} archives of images, {} among them, fill the state's file: move them to {}",
        inside.len(),
        first.display(),
        places::DROPPED_IMAGES
    ))
}

fn in_file() -> Result<String> {
    let space = statvfs(places::STATE).with_context(|| format!("cannot ask how full {} is", places::STATE))?;
    let mib = |blocks: u64| blocks.saturating_mul(space.f_frsize) >> 20;
    Ok(format!(
        "the state is in {}: {} of {} MiB are in use, and the flash has {} MiB left; its files are root's, but who can read the flash as a \
         device, or copies the file, has the keys",
        places::STATE_FILE,
        mib(space.f_blocks - space.f_bavail),
        mib(space.f_blocks),
        flash::left()? >> 20
    ))
}

/// Of a directory that nobody else reads.
pub fn of_directory() -> String {
    match snapshots::last() {
        _ if !has_state(places::STATE.as_ref()) => "there is none yet".to_owned(),
        Some(when) => {
            format!("in the directory {}, root's alone; etcd's data were copied last at {when}", places::STATE)
        }
        None => format!("in the directory {}, root's alone", places::STATE),
    }
}

fn copied() -> String {
    match snapshots::last() {
        Some(when) => format!("etcd's data were copied last at {when}"),
        None => "etcd's data have not been copied yet".into(),
    }
}

/// Who can read the keys in the directory, where that is not root alone.
fn open_keys() -> Result<Option<String>> {
    let key = Path::new(places::PKI).join(Credential::Node.key_file());
    let Ok(data) = key.metadata() else { return Ok(None) };
    let who = match data.mode() & 0o077 {
        0 => return Ok(None),
        others if others & 0o007 != 0 => "everybody on this switch".to_owned(),
        _ => format!("the group {}", group(data.gid())),
    };
    let flash = Flash::of_state()?;
    let fix = if flash.keeps_modes { String::new() } else { format!("; {}", how_to_take_over()) };
    Ok(Some(format!("the keys in {} can be read by {who}: the flash is {}{fix}", places::PKI, flash.kind)))
}

fn group(id: u32) -> String {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| id.to_string())
}
