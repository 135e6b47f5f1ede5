//! `k8s-node backup`: everything that another master needs, in one file that is there whole or not at all.
//!
//! 1. etcd's data are copied into a file on the flash, and its own digest is checked.
//! 2. What lasts beside them is read while nobody else writes it.
//! 3. All of it is written beside FILE, encrypted where FILE's place is not root's alone, then read back from there, and only
//!    then given FILE's name.

mod archive;
mod encryption;
mod members;
mod place;

use std::{
    fs,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context, Result, bail, ensure};
use cluster::{pki, room::WAL_FILE, state};
use common::files;
use contract::{places, services};
use rustix::fs::{Advice, fadvise, statvfs};

pub use archive::{Manifest, Reader};
pub use encryption::{Key, KeySource, Protection, is_encrypted};
pub use members::{CLUSTER_TOML, ENCRYPTION_CONFIG, PKI, SNAPSHOT, is_secret};

use crate::{
    etcd::{Etcd, snapshot},
    release::Release,
    room, snapshots,
    switch::Switch,
    systemd,
};

/// No cluster.toml is longer.
const LONGEST_CLUSTER_TOML: u64 = 1 << 20;

pub fn run(file: &Path, protection: Protection) -> Result<()> {
    let switch = Switch::load()?;
    let master = &switch.cluster.master().name;
    ensure!(switch.node.master, "what cannot be made again is on the master: say this on {master}");
    if !systemd::is_active("etcd.service")? {
        bail!("etcd does not run, and its data go into a backup: `systemctl start {}`", services::BOOTSTRAP);
    }
    // Before minutes of work are for nothing.
    let directory = place::directory_of(file)?;
    if protection == Protection::Plain {
        place::require_roots_alone(&directory)?;
    }
    let sealing = protection.prepare()?;
    let release = Release::read(places::RELEASE.as_ref()).context("cannot tell which release this is")?;
    let authority = pki::authority_keys(places::PKI.as_ref())?
        .map(|keys| keys.signing)
        .context("there is no certificate authority to back up")?;
    let etcd = Etcd::on_switch();
    require_room(&directory, etcd.database_size().unwrap_or_default())?;
    let _copies = snapshots::lock(places::SNAPSHOTS.as_ref())?;
    let beside = tempfile::Builder::new().prefix(files::UNFINISHED).tempdir_in(places::SNAPSHOTS);
    let beside = beside.with_context(|| format!("cannot make a directory in {}", places::SNAPSHOTS))?;
    let copy = beside.path().join("etcd");
    etcd.save_snapshot(&copy)?;
    let sources = {
        let _state = state::lock_beside(places::PKI.as_ref())?;
        let _pki = state::lock_directory(places::PKI.as_ref())?;
        members::collect(&copy)?
    };
    let manifest = Manifest {
        version: archive::VERSION,
        cluster: switch.cluster.name.clone(),
        master: switch.node.name.clone(),
        authority,
        kubernetes: release.version,
        made: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        members: sources.iter().map(archive::Source::member).collect::<Result<_>>()?,
    };
    write(file, &manifest, &sources, &sealing)?;
    let size = file.metadata().map(|data| data.len()).unwrap_or_default();
    println!(
        "{}: {} MiB, {}; read back and whole: cluster.toml, {} files of keys and certificates, the key of Secrets, etcd's data. Keep it \
         off this switch. {} is not in it",
        file.display(),
        size.div_ceil(1 << 20),
        sealing.told(),
        manifest.members.iter().filter(|member| member.name.starts_with(PKI)).count(),
        places::OWN_IMAGES,
    );
    Ok(())
}

fn write(file: &Path, manifest: &Manifest, sources: &[archive::Source], sealing: &encryption::Sealing) -> Result<()> {
    files::replace_alone(file, |unfinished| fill(unfinished, manifest, sources, sealing).map_err(io::Error::other))
}

/// Writes all of it into a file that has no name yet, and reads it back.
fn fill(
    file: &mut fs::File,
    manifest: &Manifest,
    sources: &[archive::Source],
    sealing: &encryption::Sealing,
) -> Result<()> {
    let kept = file.set_permissions(fs::Permissions::from_mode(0o600));
    if sealing.is_plain() {
        kept.context("its file system takes no modes")?;
        place::require_mode(file)?;
    }
    let sealed = sealing.seal(BufWriter::new(&mut *file))?;
    archive::write(sealed, manifest, sources)?.finish()?.flush().context("cannot write it")?;
    file.sync_all().context("cannot write it")?;
    // What is read back is to come from the medium. A file system that does not know of this is read all the same.
    let _ = fadvise(&*file, 0, None, Advice::DontNeed);
    file.rewind().context("cannot read it back")?;
    let opened = sealing.open(BufReader::new(&mut *file)).context("what was written cannot be read back")?;
    verify(opened).map(drop).context("what was written cannot be read back")
}

/// A backup that is whole, and the cluster.toml in it.
pub struct Verified {
    pub manifest: Manifest,
    pub cluster_toml: Vec<u8>,
}

/// Reads all of a backup, and believes nothing that it does not prove.
pub fn verify(opened: impl io::BufRead) -> Result<Verified> {
    let mut cluster_toml = Vec::new();
    let manifest = Reader::new(opened).each(|member, contents| match member.name.as_str() {
        SNAPSHOT => snapshot::check_stream(member.size, contents),
        CLUSTER_TOML => Ok(contents.take(LONGEST_CLUSTER_TOML).read_to_end(&mut cluster_toml).map(drop)?),
        _ => Ok(io::copy(contents, &mut io::sink()).map(drop)?),
    })?;
    for needed in [CLUSTER_TOML, ENCRYPTION_CONFIG, SNAPSHOT] {
        ensure!(manifest.members.iter().any(|member| member.name == needed), "there is no {needed} in it");
    }
    Ok(Verified { manifest, cluster_toml })
}

/// For the copy, and for the backup. etcd runs, and has its next file on the flash whenever it wants it.
fn require_room(directory: &Path, size: u64) -> Result<()> {
    let device = |place: &Path| {
        let found = place.metadata().with_context(|| format!("cannot look at {}", place.display()));
        found.map(|found| found.dev())
    };
    let both = device(directory)? == device(places::STATE.as_ref())?;
    for place in [Path::new(places::STATE), directory] {
        let space = statvfs(place).with_context(|| format!("cannot ask how much room {} has", place.display()))?;
        let left = space.f_bavail.saturating_mul(space.f_frsize);
        let needed = match (both, place == Path::new(places::STATE)) {
            (true, _) => 2 * size + WAL_FILE,
            (false, true) => size + WAL_FILE,
            // A database is mostly text, and comes to less than half; where it does not, nobody else is harmed.
            (false, false) => size / 2,
        };
        ensure!(
            left >= needed,
            "{} has {} MiB left, and up to {} are needed: {}, or `k8s-node etcd defrag`",
            place.display(),
            left >> 20,
            needed.div_ceil(1 << 20),
            room::FIX
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
