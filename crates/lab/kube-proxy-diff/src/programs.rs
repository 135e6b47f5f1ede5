//! The programs under test: upstream's out of the newest SWIX in dist/, ours from there or from `$KOE_KUBE_PROXY`.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use common::files;
use swix::{
    archive, dist, extension, rpm,
    squashfs::{Image, Node},
};

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
    /// Unpacks them, once for each SWIX, below the directory for temporary files. `dist` is what `cargo xtask build-swix`
    /// publishes into.
    pub fn of_dist(dist: &Path) -> Result<Programs> {
        let swix = dist::newest_swix(dist)?;
        let bytes = files::read(&swix)?;
        let digest = common::Sha256::of_bytes(&bytes).short();
        let directory = env::temp_dir().join(format!("kube-proxy-diff-{digest}"));
        if !directory.is_dir() {
            unpack(&bytes, &directory)
                .with_context(|| format!("cannot take the programs out of {}", swix.display()))?;
        }
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

/// Puts the programs into `directory`, which appears with all of them or not at all.
fn unpack(swix: &[u8], directory: &Path) -> Result<()> {
    let swix = archive::parse(swix)?;
    let (_, package) = swix.rpms.first().context("there is no RPM in it")?;
    let image = rpm::parse(package)?.data.remove(extension::IMAGE).context("there is no image of programs in it")?;
    let image = Image::parse(image)?;
    let beside = tempfile::tempdir_in(env::temp_dir())?;
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

fn write_program(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}
