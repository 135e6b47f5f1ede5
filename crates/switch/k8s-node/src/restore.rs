//! `k8s-node restore`: a backup, or a scheduled copy of etcd's data, put back onto a master that is stopped.
//!
//! 1. All of FILE is read and proved, and held against this switch, before anything is touched.
//! 2. It is unpacked into a directory beside what it replaces, and etcd's data are made out of the copy there.
//! 3. What is there goes into that directory, and what was unpacked comes into its place; then the directory goes.
//!
//! As long as that directory is there, no bring-up begins: whatever the power was cut in, the same command does all of it again.

mod check;

use std::{
    fs::{self, File, Permissions},
    io::{self, BufReader, IsTerminal, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, bail, ensure};
use cluster::{Cluster, Node, pki::KeyDigest, revoked::RevokedClients, state};
use common::{
    files,
    lock::{After, Lock, Tried},
};
use contract::{places, services};
use rustix::fs::{statvfs, syncfs};

use self::check::Here;
use crate::{
    backup::{self, Key, KeySource, Reader, Verified},
    etcd::{Etcd, snapshot},
    node_keys::NodeKeysFile,
    passphrase::Passphrase,
    room, snapshots, storage,
    switch::{self, Switch},
    systemd,
};

/// What etcd's log takes of the flash for itself, in a new data directory and once it runs.
const LOG: u64 = 2 * cluster::room::WAL_FILE;

pub fn run(file: &Path, key: Option<KeySource>, yes: bool) -> Result<()> {
    require_stopped()?;
    files::create_dir(places::RUN.as_ref())?;
    let Tried::Got(_turn) = Lock::try_acquire(places::STAGE_LOCK.as_ref(), After::Stays)? else {
        bail!("a stage of the bring-up is being run: `k8s-node down`, then this again");
    };
    let hostname = switch::hostname();
    // What is in the state may be FILE, and is brought to its place; no more is done before FILE is proved.
    storage::bring(&hostname)?;
    let done = match snapshots::authority_of(file) {
        Some(of) => {
            ensure!(key.is_none(), not_encrypted(file));
            snapshot::check(file)?;
            let Switch { cluster, node } = Switch::load()?;
            ensure!(node.master, "etcd is on the master, {}", cluster.master().name);
            let needed = needed(1, file.metadata().map(|data| data.len()).unwrap_or_default());
            let (_state, _) = prepared(&hostname, needed, |here| here.require_own(&of))?;
            confirm(yes)?;
            put_back(|new| etcd_data(file, &new.join(ETCD), &cluster, &node), &[ETCD])?;
            "etcd's data as they were when this copy was taken; keys, certificates and cluster.toml as they are"
                .to_owned()
        }
        None => {
            let key = key_for(file, key)?;
            let Verified { manifest, cluster_toml } = backup::verify(opened(file, key.as_ref())?)
                .with_context(|| format!("{} is not restored", file.display()))?;
            let text = String::from_utf8(cluster_toml).context("its cluster.toml is no text")?;
            let cluster = Cluster::parse(&text, "the backup's cluster.toml")?;
            check::require_named(&hostname, &manifest)?;
            let copy = manifest.members.iter().find(|member| member.name == backup::SNAPSHOT);
            let needed = needed(2, copy.map_or(0, |member| member.size));
            storage::for_restore(&hostname, needed)?;
            let (_state, here) = prepared(&hostname, needed, |here| here.require(&manifest))?;
            confirm(yes)?;
            let node = cluster.master();
            let (revoked, mut stay) = (revoked_here(&manifest.authority)?, Vec::new());
            if revoked.contains(&None) {
                println!(
                    "who was revoked here since the backup cannot be told, as {} and {} are damaged: `k8s-node revoke NAME` again, once \
                     it is restored",
                    places::NODE_KEYS,
                    places::REVOKED_CLIENTS
                );
            }
            let revoked: Vec<_> = revoked.into_iter().flatten().collect();
            let prepare = |new: &Path| {
                unpack(opened(file, key.as_ref())?, new)?;
                stay = NodeKeysFile::beside(&new.join(PKI)).keep_revoked(&revoked, SystemTime::now())?;
                let copy = new.join(backup::SNAPSHOT);
                etcd_data(&copy, &new.join(ETCD), &cluster, node)
            };
            put_back(prepare, &[PKI, backup::ENCRYPTION_CONFIG, ETCD])?;
            // The switch is the operator's to describe: one that is there is newer. Last, as a bring-up begins by it.
            if here.cluster.is_none() {
                files::write_for_owner(places::CLUSTER_TOML.as_ref(), text.as_bytes())?;
            }
            if !stay.is_empty() {
                println!(
                    "{}: what was revoked here stays so, also where the backup is from before; `k8s-node revoke NAME --undo` is for a \
                     mistake",
                    stay.join(", ")
                );
            }
            let undone = match here.has_replaced(&manifest.authority) {
                true => {
                    "; the new certificate authority is undone with it: on workers that had changed over, remove their ca.pem and \
                     `k8s-node renew`"
                }
                false => "",
            };
            let kept = if here.cluster.is_some() { ", but for cluster.toml, which was here and is kept" } else { "" };
            format!(
                "the master {} of cluster {} as of {}{kept}{undone}",
                manifest.master, manifest.cluster, manifest.made
            )
        }
    };
    println!(
        "restored: {done}. `systemctl start {}` brings it up. Then, on every worker: `systemctl restart kubelet kube-proxy`, as they \
         know of changes that are undone. Where workers were replaced since: `k8s-node admit --all` here",
        services::BOOTSTRAP
    );
    Ok(())
}

/// The state is there, nobody else writes it, it has so many bytes left, and FILE is for it. `require` is told what is here.
fn prepared(hostname: &str, needed: u64, require: impl Fn(&Here) -> Result<()>) -> Result<(state::StateLock, Here)> {
    let look = || -> Result<_> {
        let lock = state::lock_beside(places::PKI.as_ref())?;
        take_back()?;
        let here = Here::on_switch()?;
        require(&here)?;
        Ok((lock, here))
    };
    // Nothing of the file is open while it grows.
    drop(look()?);
    storage::make_room(hostname, needed)?;
    let prepared = look()?;
    require_room(needed)?;
    Ok(prepared)
}

/// In the directory that is unpacked into, as in the one of the state.
const ETCD: &str = "etcd";
const PKI: &str = "pki";

pub fn require_stopped() -> Result<()> {
    let ours = [services::BOOTSTRAP, services::RECONCILER, services::RENEWAL, services::ENROLMENT, services::SNAPSHOT];
    for unit in ours.into_iter().chain(["etcd.service", "kube-apiserver.service"]) {
        if systemd::is_active(unit)? {
            bail!("Kubernetes runs on this switch ({unit}): `k8s-node down` stops it, then say this again");
        }
    }
    Ok(())
}

/// Whom this switch has taken back its word from, which a backup may not know of; also where the power was cut while the state
/// was out of its place. None where what says so is damaged.
fn revoked_here(authority: &KeyDigest) -> Result<Vec<Option<RevokedClients>>> {
    let places = [PathBuf::from(places::PKI), Path::new(places::RESTORING).join("old").join(PKI)];
    places.iter().map(|pki| NodeKeysFile::beside(pki).revoked_here(authority)).collect()
}

fn opened(file: &Path, key: Option<&Key>) -> Result<Box<dyn io::BufRead>> {
    let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    match key {
        Some(key) => key.open(BufReader::new(open)),
        None => Ok(Box::new(BufReader::new(open))),
    }
}

/// None for a file that is not encrypted.
fn key_for(file: &Path, given: Option<KeySource>) -> Result<Option<Key>> {
    let mut beginning = Vec::new();
    let open = File::open(file).and_then(|open| open.take(64).read_to_end(&mut beginning));
    open.with_context(|| format!("cannot read {}", file.display()))?;
    if !backup::is_encrypted(&beginning) {
        // Whoever names a key counts on it: without, anybody may have made the file.
        ensure!(given.is_none(), not_encrypted(file));
        return Ok(None);
    }
    given.unwrap_or(KeySource::Passphrase(Passphrase::Asked)).prepare().map(Some)
}

fn not_encrypted(file: &Path) -> String {
    format!(
        "{} is not encrypted: say no key if it is to be restored all the same, or take the file that was encrypted for it",
        file.display()
    )
}

/// Undoes what a restore that was cut off has moved: all of it is as it was before that, and only the directory stays, so that no
/// bring-up begins. A cut in here is undone in the same way.
fn take_back() -> Result<()> {
    let restoring = Path::new(places::RESTORING);
    let (new, old) = (restoring.join("new"), restoring.join("old"));
    files::remove_tree(&new)?;
    if !old.exists() {
        return Ok(());
    }
    files::create_dir(&new)?;
    let parts = fs::read_dir(&old).with_context(|| format!("cannot read {}", old.display()))?;
    for part in parts {
        let part = part.with_context(|| format!("cannot read {}", old.display()))?;
        let place = Path::new(places::STATE).join(part.file_name());
        if place.exists() {
            rename(&place, &new.join(part.file_name()))?;
        }
        rename(&part.path(), &place)?;
    }
    sync(restoring)?;
    files::remove_tree(&new)
}

/// `prepare` makes new parts in a directory of its own; then they take the place of those that are there.
fn put_back(prepare: impl FnOnce(&Path) -> Result<()>, parts: &[&str]) -> Result<()> {
    let restoring = PathBuf::from(places::RESTORING);
    let (new, old) = (restoring.join("new"), restoring.join("old"));
    // What is there after a cut may be whole again or not: only a restore that ends says so.
    let was_cut = restoring.exists();
    take_back()?;
    let _pki = state::lock_directory(places::PKI.as_ref())?;
    for directory in [&new, &old] {
        files::create_dir(directory)?;
        let _ = fs::set_permissions(directory, Permissions::from_mode(0o700));
    }
    if let Err(error) = prepare(&new).and_then(|()| sync(&restoring)) {
        // Nothing was touched.
        files::remove_tree(if was_cut { &new } else { &restoring })?;
        return Err(error);
    }
    for part in parts {
        let (place, new) = (Path::new(places::STATE).join(part), new.join(part));
        if place.exists() {
            rename(&place, &old.join(part))?;
        }
        rename(&new, &place)?;
    }
    sync(&restoring)?;
    // At once, as half of it must never be taken back.
    rename(&old, &new.join("replaced"))?;
    sync(&restoring)?;
    files::remove_tree(&restoring)?;
    sync(places::STATE.as_ref())
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}

/// All that was written to a file system is on it.
fn sync(place: &Path) -> Result<()> {
    let open = File::open(place).with_context(|| format!("cannot open {}", place.display()))?;
    syncfs(&open).with_context(|| format!("cannot write {}", place.display()))
}

/// Puts every member into a file, each proved as it is written.
fn unpack(from: impl io::BufRead, into: &Path) -> Result<()> {
    let pki = into.join(PKI);
    files::create_dir(&pki)?;
    let _ = fs::set_permissions(&pki, Permissions::from_mode(0o700));
    let unpacked = Reader::new(from).each(|member, contents| {
        let place = into.join(&member.name);
        let mode = if backup::is_secret(&member.name) { 0o600 } else { 0o644 };
        let mut file = File::create(&place).with_context(|| format!("cannot write {}", place.display()))?;
        let _ = file.set_permissions(Permissions::from_mode(mode));
        io::copy(contents, &mut file).with_context(|| format!("cannot write {}", place.display()))?;
        Ok(())
    });
    unpacked.map(drop)
}

fn etcd_data(copy: &Path, data: &Path, cluster: &Cluster, master: &Node) -> Result<()> {
    Etcd::on_switch().restore_snapshot(copy, data, cluster, master)?;
    let _ = fs::set_permissions(data, Permissions::from_mode(0o700));
    Ok(())
}

/// Bytes for the database that is made of a copy of so many, for the copy too where it is unpacked, and for etcd's log.
fn needed(times: u64, copy: u64) -> u64 {
    times * copy + LOG
}

/// What is there stays until the end. Of a restore that was cut off, nothing takes room any more.
fn require_room(needed: u64) -> Result<()> {
    let flash = Path::new(places::STATE).ancestors().find(|directory| directory.exists()).unwrap_or(Path::new("/"));
    let space = statvfs(flash).with_context(|| format!("cannot ask how much room {} has", flash.display()))?;
    let left = space.f_bavail.saturating_mul(space.f_frsize);
    if left >= needed {
        return Ok(());
    }
    let (what, fix) = match storage::is_in_file(places::STATE.as_ref())? {
        true => ("the state's file", format!("{}, {}", room::FIX, storage::how_to_hold(needed - left)?)),
        false => ("the flash", room::FIX.to_owned()),
    };
    bail!("{what} has {} MiB left, and {} are needed to restore: {fix}", left >> 20, needed.div_ceil(1 << 20))
}

/// Where there is something that would be lost.
fn confirm(yes: bool) -> Result<()> {
    if yes || !Path::new(places::ETCD).join("member").exists() {
        return Ok(());
    }
    let hostname = switch::hostname();
    if !io::stdin().is_terminal() {
        bail!("etcd's data of {hostname} would be replaced by older ones: say --yes where nobody can be asked");
    }
    print!(
        "Replaces etcd's data of {hostname} by those of this file; what came after them is lost.\nType the switch's name to go on: "
    );
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    ensure!(answer.trim() == hostname, "nothing was done");
    Ok(())
}

/// Why no bring-up may begin.
pub fn interrupted() -> Option<String> {
    Path::new(places::RESTORING).exists().then(|| {
        format!(
            "a restore was interrupted, and what is on the flash may not be whole: `k8s-node down`, then `k8s-node restore` with the \
             same file again ({} goes then)",
            places::RESTORING
        )
    })
}

#[cfg(test)]
mod tests;
