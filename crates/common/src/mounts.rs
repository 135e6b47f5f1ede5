//! What is mounted where, as the kernel says it to this thread.

use std::{
    ffi::OsString,
    fs, io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A thread can have a mount namespace of its own, which the `self` of its process does not show.
const MOUNTINFO: &str = "/proc/thread-self/mountinfo";
const FDINFO: &str = "/proc/thread-self/fdinfo";

/// A file system, or a part of one, that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub place: PathBuf,
    /// The kind of its file system: `nfs4`, `tmpfs`, `ext4`.
    pub kind: String,
    /// What it is mounted from, as the kernel has it: a device, `server:/export`, a word.
    pub source: String,
}

/// What is mounted at a directory or below it, in the order in which it was mounted. Nothing is mounted at what is not there.
pub fn at_or_below(directory: &Path) -> Result<Vec<Mount>> {
    let asking = || format!("cannot tell what is mounted below {}", directory.display());
    // The kernel names places without links.
    let real = match fs::canonicalize(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        real => real.with_context(asking)?,
    };
    let mut mounts = all().with_context(asking)?;
    mounts.retain(|mount| mount.place.starts_with(&real));
    Ok(mounts)
}

/// What a place is on: of the mounts at it or above it the nearest, and of several there the last one. A place that is not there is on
/// what its parent is on.
pub fn holding(place: &Path) -> Result<Mount> {
    let asking = || format!("cannot tell what {} is on", place.display());
    let there = place.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let real = fs::canonicalize(there).with_context(asking)?;
    let mounts = all().with_context(asking)?;
    let above = mounts.into_iter().filter(|mount| real.starts_with(&mount.place));
    above.max_by_key(|mount| mount.place.components().count()).with_context(asking)
}

fn all() -> Result<Vec<Mount>> {
    let text = fs::read(MOUNTINFO).with_context(|| format!("cannot read {MOUNTINFO}"))?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let understood = |line| parse(line).with_context(|| format!("not a mount: {}", String::from_utf8_lossy(line)));
    lines.map(understood).collect()
}

/// A line of mountinfo: number, parent, device, root, place, options, any number of further fields, a hyphen, kind, source.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let place = fields.nth(4)?;
    let mut behind = fields.skip_while(|field| *field != b"-").skip(1);
    let text = |field| String::from_utf8_lossy(&unescaped(field)).into_owned();
    let (kind, source) = (text(behind.next()?), text(behind.next()?));
    Some(Mount { place: OsString::from_vec(unescaped(place)).into(), kind, source })
}

/// The kernel writes blanks, tabs, ends of lines and backslashes as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        match behind {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..] if *first == b'\\' => {
                plain.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = behind;
            }
            _ => {
                plain.push(*first);
                rest = behind;
            }
        }
    }
    plain
}

/// The number of the mount that an open file or directory is on. Unlike the number of a device, it tells a directory from one
/// that is bound over it from elsewhere on the same file system. Known since Linux 3.15.
pub fn number(open: impl AsFd) -> Result<u64> {
    let file = format!("{FDINFO}/{}", open.as_fd().as_raw_fd());
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let number = text.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    number
        .and_then(|number| number.trim().parse().ok())
        .with_context(|| format!("{file} does not name a mount: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_whatever_is_in_its_name() {
        let line =
            br"36 35 98:0 /a /var/lib/a\040b\011c\012d\134e\0409 rw,noatime master:1 shared:2 - nfs4 nas:/pods\040x rw";
        let mount = parse(line).unwrap();
        assert_eq!(mount.place, Path::new("/var/lib/a b\tc\nd\\e 9"));
        assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("nfs4", "nas:/pods x"));
        assert_eq!(parse(b"36 35 98:0 / /mnt rw - tmpfs  rw").unwrap().source, "");
        assert_eq!(parse(b"36 35 98:0 / /mnt rw"), None);
        assert_eq!(unescaped(br"\04 \9 \"), br"\04 \9 \");
    }

    #[test]
    fn this_machine_has_something_mounted_and_nothing_below_what_is_not_there() {
        let all = at_or_below(Path::new("/")).unwrap();
        assert!(all.iter().any(|mount| mount.place == Path::new("/proc") && mount.kind == "proc"), "{all:?}");
        assert!(
            at_or_below(Path::new("/proc/version"))
                .unwrap()
                .iter()
                .all(|mount| mount.place.starts_with("/proc/version"))
        );
        assert_eq!(at_or_below(Path::new("/no/such/directory")).unwrap(), []);
        let of = |place: &str| holding(Path::new(place)).unwrap();
        assert_eq!((of("/proc/version").kind.as_str(), of("/").place.as_path()), ("proc", Path::new("/")));
        assert_eq!(of("/no/such/directory"), of("/"));
    }
}
