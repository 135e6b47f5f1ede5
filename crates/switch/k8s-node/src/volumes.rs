//! The volumes of pods that the kubelet has mounted: unmounted, or named with what holds them.

use std::{
    cmp::Reverse,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use common::mounts::{self, Mount};
use rustix::{
    io::Errno,
    mount::{UnmountFlags, unmount},
};

/// Mounts that hold each other need a round each, and what has just been ended lets go of a volume a moment later.
const ROUNDS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// How many of a mount's holders an error names.
const NAMED: usize = 5;

/// Unmounts everything at a directory and below it. Goes on where one stays, and fails with all that have stayed and why.
pub fn unmount_below(directory: &Path) -> Result<()> {
    let mut round = 1;
    loop {
        let mut found = mounts::at_or_below(directory)?;
        // The deepest first, and of several at one place the last one, which covers the others.
        found.reverse();
        found.sort_by_key(|mount| Reverse(mount.place.components().count()));
        let stayed: Vec<(&Mount, Errno)> = found
            .iter()
            .filter_map(|mount| unmount(&mount.place, UnmountFlags::NOFOLLOW).err().map(|error| (mount, error)))
            .collect();
        if stayed.is_empty() {
            return Ok(());
        }
        if round == ROUNDS {
            let lines: Vec<String> = stayed.into_iter().map(|(mount, error)| in_the_way(mount, error)).collect();
            bail!("{}", lines.join("; "));
        }
        if stayed.len() == found.len() {
            thread::sleep(PAUSE);
        }
        round += 1;
    }
}

/// Which mount has stayed, by what, and what to do.
fn in_the_way(mount: &Mount, error: Errno) -> String {
    let Mount { place, kind, source } = mount;
    let holders = holders(place);
    let what = match holders.len() {
        0 => "no process that /proc shows holds it, but perhaps a loop device or swap: see `losetup --all` and `cat \
              /proc/swaps`, then `k8s-node down` again"
            .to_owned(),
        more if more > NAMED => {
            format!(
                "held by {} and {} others: end them, then `k8s-node down` again",
                holders[..NAMED].join(", "),
                more - NAMED
            )
        }
        _ => format!("held by {}: end what holds it, then `k8s-node down` again", holders.join(", ")),
    };
    format!("{} ({kind}, {source}) cannot be unmounted: {error}; {what}", place.display())
}

/// The processes that are in a mount or have something of it open, each with what that is.
fn holders(place: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let numbered =
        processes.filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit()));
    numbered.filter_map(|process| holds(&process, place)).collect()
}

fn holds(process: &Path, place: &Path) -> Option<String> {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut links = ["cwd", "root", "exe"].map(|link| process.join(link)).into_iter().chain(open);
    let held: PathBuf = links.find_map(|link| fs::read_link(link).ok().filter(|held| held.starts_with(place)))?;
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let number = process.file_name().unwrap_or_default().to_string_lossy();
    Some(format!("process {number} ({}) at {}", name.trim_end(), held.display()))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use common::files;
    use rustix::mount::{MountFlags, mount, mount_bind};

    use super::*;
    use crate::test_support::in_mount_namespace;

    struct Sleeper(Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn a_volume_that_stays_mounted_is_named_with_its_holder_and_keeps_its_files() {
        in_mount_namespace(|| {
            let root = tempfile::tempdir().unwrap();
            let (kubelet, data) = (root.path().join("kubelet"), root.path().join("data"));
            let volume = |name: &str| kubelet.join("pods").join(name).join("volume");
            for name in ["a b\tc\\d", "busy", "last"] {
                fs::create_dir_all(volume(name)).unwrap();
            }
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("precious"), "data").unwrap();
            // Two on top of each other, one inside of another, and a part of the same file system that somebody works in.
            mount("one", volume("a b\tc\\d"), "tmpfs", MountFlags::empty(), None).unwrap();
            mount("two", volume("a b\tc\\d"), "tmpfs", MountFlags::empty(), None).unwrap();
            mount("three", volume("last"), "tmpfs", MountFlags::empty(), None).unwrap();
            fs::create_dir(volume("last").join("inside")).unwrap();
            mount("four", volume("last").join("inside"), "tmpfs", MountFlags::empty(), None).unwrap();
            mount_bind(&data, volume("busy")).unwrap();
            let sleeper = Sleeper(Command::new("sleep").arg("60").current_dir(volume("busy")).spawn().unwrap());

            let unmounted = unmount_below(&kubelet);
            let removed = files::remove_tree(&kubelet);
            let kept = fs::read_to_string(data.join("precious"));
            assert_eq!(kept.expect("the volume's files are gone"), "data");
            let error = format!("{:#}", unmounted.unwrap_err());
            let (place, number) = (volume("busy").display().to_string(), sleeper.0.id());
            assert!(error.contains(&format!("{place} (")) && error.contains("busy"), "{error}");
            assert!(error.contains(&format!("process {number} (sleep) at {place}")), "{error}");
            let left = mounts::at_or_below(&kubelet).unwrap();
            assert_eq!(left.len(), 1, "what could be unmounted was not: {left:?}");
            assert!(removed.is_err() && volume("last").exists(), "a part of the tree is gone");

            drop(sleeper);
            unmount_below(&kubelet).unwrap();
            files::remove_tree(&kubelet).unwrap();
            assert!(!kubelet.exists() && data.join("precious").exists());
        });
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn a_volume_that_an_open_file_keeps_mounted_loses_nothing() {
        in_mount_namespace(|| {
            let kubelet = tempfile::tempdir().unwrap();
            let volume = kubelet.path().join("pods/a/volume");
            fs::create_dir_all(&volume).unwrap();
            mount("volume", &volume, "tmpfs", MountFlags::empty(), None).unwrap();
            fs::write(volume.join("precious"), "data").unwrap();
            let log = fs::File::create(volume.join("log")).unwrap();

            let unmounted = unmount_below(kubelet.path());
            let removed = files::remove_tree(kubelet.path());
            let kept = ["precious", "log"].map(|name| volume.join(name).exists());
            assert_eq!(kept, [true, true], "the volume's files are gone");
            let error = format!("{:#}", unmounted.unwrap_err());
            assert!(error.contains(&format!("process {} (", std::process::id())), "{error}");
            assert!(error.contains(&format!("at {}", volume.join("log").display())), "{error}");
            let error = format!("{:#}", removed.unwrap_err());
            assert!(error.contains(&format!("unmount {} first", volume.display())), "{error}");

            drop(log);
            unmount_below(kubelet.path()).unwrap();
            files::remove_tree(kubelet.path()).unwrap();
        });
    }
}
