//! The programs under test: upstream's out of the newest SWIX in dist/, ours from there or from `$KOE_KUBE_PROXY`.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use common::{
    files,
    lock::{After, Lock},
};
use swix::{
    archive, dist, extension, rpm,
    squashfs::{Image, Node},
};

/// How long programs stay unpacked that no run has used.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Where the programs are, unpacked.
#[derive(Debug, Clone)]
pub struct Programs {
    pub etcd: PathBuf,
    pub hyperkube: PathBuf,
    /// Upstream's kube-proxy, as a name of hyperkube.
    pub upstream: PathBuf,
    /// Our kube-proxy.
    pub ours: PathBuf,
}

impl Programs {
    /// Unpacks them, once for each SWIX, into a directory of `unpacked`: root runs them, so nobody else may write there.
    /// `dist` is what `cargo xtask build-swix` publishes into.
    pub fn of_dist(dist: &Path, unpacked: &Path) -> Result<Programs> {
        let swix = dist::newest_swix(dist)?;
        let bytes = files::read(&swix)?;
        let digest = common::Sha256::of_bytes(&bytes).short();
        let directory = unpacked.join(digest);
        once(&directory, unpacked, || {
            unpack(&bytes, &directory).with_context(|| format!("cannot take the programs out of {}", swix.display()))
        })?;
        let packed = directory.join("kube-proxy-of-swix");
        let ours = match env::var_os("KOE_KUBE_PROXY").map(PathBuf::from) {
            Some(path) => path,
            None if packed.is_file() => packed,
            None => bail!(
                "{} has no kube-proxy of ours: build it again, or set KOE_KUBE_PROXY to the program",
                swix.display()
            ),
        };
        let ours = ours.canonicalize().with_context(|| format!("there is no program {}", ours.display()))?;
        Ok(Programs {
            etcd: directory.join("etcd"),
            hyperkube: directory.join("hyperkube"),
            upstream: directory.join("kube-proxy"),
            ours,
        })
    }
}

/// Has `unpack` make `directory` in `unpacked` if it is not there: tests that begin together unpack one after the other.
fn once(directory: &Path, unpacked: &Path, unpack: impl FnOnce() -> Result<()>) -> Result<()> {
    files::create_dir(unpacked)?;
    let _alone = Lock::acquire(unpacked, After::Stays, |_| {})?;
    if !directory.is_dir() {
        unpack()?;
    }
    note_use(directory, SystemTime::now())?;
    remove_unused(unpacked, SystemTime::now())
}

/// Puts the programs into `directory`, which appears with all of them or not at all.
fn unpack(swix: &[u8], directory: &Path) -> Result<()> {
    let swix = archive::parse(swix)?;
    let (_, package) = swix.rpms.first().context("there is no RPM in it")?;
    let image = rpm::parse(package)?.data.remove(extension::IMAGE).context("there is no image of programs in it")?;
    let image = Image::parse(image)?;
    let beside = tempfile::tempdir_in(directory.parent().context("programs are unpacked beside others")?)?;
    for name in ["etcd", "hyperkube"] {
        write_program(&beside.path().join(name), &image.read(&format!("bin/{name}"))?)?;
    }
    symlink("hyperkube", beside.path().join("kube-proxy"))?;
    let items = image.items()?;
    if items.iter().any(|item| item.path == "bin/kube-proxy" && matches!(item.node, Node::File { .. })) {
        write_program(&beside.path().join("kube-proxy-of-swix"), &image.read("bin/kube-proxy")?)?;
    }
    let beside = beside.keep();
    fs::rename(&beside, directory)
        .with_context(|| format!("cannot rename {} to {}", beside.display(), directory.display()))
}

fn note_use(directory: &Path, now: SystemTime) -> Result<()> {
    let noted = File::open(directory).and_then(|directory| directory.set_modified(now));
    noted.with_context(|| format!("cannot note that {} is used", directory.display()))
}

/// Removes what was unpacked of SWIXes that no run has used for long.
fn remove_unused(unpacked: &Path, now: SystemTime) -> Result<()> {
    let all = unpacked.read_dir().with_context(|| format!("cannot list {}", unpacked.display()))?;
    for entry in all.flatten() {
        let used = entry.metadata().and_then(|data| data.modified());
        if used.is_ok_and(|used| now.duration_since(used).is_ok_and(|unused| unused > KEPT)) {
            files::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

fn write_program(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicU32, Ordering},
        },
        thread,
    };

    use super::*;

    #[test]
    fn tests_that_begin_together_unpack_the_programs_once() {
        let unpacked = tempfile::tempdir().unwrap();
        let directory = unpacked.path().join("programs");
        let (together, times) = (Barrier::new(2), AtomicU32::new(0));
        let begin = || {
            together.wait();
            once(&directory, unpacked.path(), || {
                times.fetch_add(1, Ordering::SeqCst);
                let beside = tempfile::tempdir_in(unpacked.path())?.keep();
                write_program(&beside.join("etcd"), b"a program")?;
                thread::sleep(Duration::from_millis(50));
                Ok(fs::rename(beside, &directory)?)
            })
        };
        thread::scope(|scope| {
            let other = scope.spawn(begin);
            begin().unwrap();
            other.join().unwrap().unwrap();
        });
        assert_eq!(times.into_inner(), 1);
        assert!(directory.join("etcd").is_file());
    }

    #[test]
    fn what_no_run_has_used_for_a_week_goes_with_all_that_is_in_it() {
        let unpacked = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (name, unused) in [("used", KEPT - Duration::from_secs(60)), ("stale", KEPT + Duration::from_secs(60))] {
            fs::create_dir(unpacked.path().join(name)).unwrap();
            write_program(&unpacked.path().join(name).join("etcd"), b"a program").unwrap();
            note_use(&unpacked.path().join(name), now - unused).unwrap();
        }
        remove_unused(unpacked.path(), now).unwrap();
        let left: Vec<_> = unpacked.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["used"]);
    }
}
