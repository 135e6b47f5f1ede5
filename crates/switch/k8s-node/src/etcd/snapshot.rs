//! A copy of etcd's database in one file, as `etcdctl snapshot save` leaves it: the database, and behind it its SHA-256.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use anyhow::{Context, Result, bail, ensure};
use cluster::{Cluster, Node};
use common::{digest::Hasher, files};
use contract::ports;

use super::{COPYING, Etcd, GRACE};

const DIGEST: u64 = 32;

/// A database is so many whole blocks.
const BLOCK: u64 = 512;

impl Etcd {
    /// Takes a copy of what it has now; the file is whole, or not there.
    pub fn save_snapshot(&self, file: &Path) -> Result<()> {
        let name = file.to_str().context("a file's name has to be UTF-8")?;
        self.ask("copy etcd's database", COPYING, &["snapshot", "save", name])?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot keep others from {}", file.display()))?;
        check(file)
    }

    /// Makes the data of a new etcd of this master's out of a copy, in a directory that is not there yet.
    pub fn restore_snapshot(&self, snapshot: &Path, data: &Path, cluster: &Cluster, master: &Node) -> Result<()> {
        let peers = format!("https://127.0.0.1:{}", ports::ETCD_PEERS);
        let restore = self.etcdctl("restore etcd's data")?.args(["snapshot", "restore"]).arg(snapshot);
        let restore = restore.arg(format!("--data-dir={}", data.display())).args([
            format!("--name={}", master.name),
            format!("--initial-cluster={}={peers}", master.name),
            format!("--initial-cluster-token={}", cluster.name),
            format!("--initial-advertise-peer-urls={peers}"),
        ]);
        restore.limit(COPYING + GRACE).read().map(drop)
    }
}

/// Fails where a file is no whole copy.
pub fn check(file: &Path) -> Result<()> {
    let open = File::open(file).and_then(|open| Ok((open.metadata()?.len(), open)));
    let (size, open) = open.with_context(|| format!("cannot read {}", file.display()))?;
    check_stream(size, open).with_context(|| format!("{} is no whole copy of etcd's database", file.display()))
}

/// The same for so many bytes that come from anywhere.
pub fn check_stream(size: u64, mut from: impl Read) -> Result<()> {
    ensure!(size > DIGEST && size % BLOCK == DIGEST, "it has {size} bytes, and no digest at its end");
    let (mut hasher, mut left) = (Hasher::default(), size - DIGEST);
    let mut buffer = vec![0; 128 << 10];
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match from.read(&mut buffer[..most]) {
            Ok(0) => bail!("it ends {left} bytes early"),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                left -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("it cannot be read"),
        }
    }
    let mut digest = [0; DIGEST as usize];
    from.read_exact(&mut digest).context("its digest cannot be read")?;
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let found = hasher.finish().to_string();
    ensure!(found == digits, "its SHA-256 is {found}, and it says itself that it is {digits}");
    Ok(())
}

/// Takes away what etcd had not finished when the power went; it must not run.
pub fn remove_unfinished(data: &Path) -> Result<()> {
    let directory = data.join("member/snap");
    let Ok(entries) = fs::read_dir(&directory) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("db.tmp")) {
        files::remove_tree(&entry.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::tests::server::Server;

    #[test]
    fn a_copy_that_is_cut_off_or_changed_anywhere_is_refused() {
        let mut copy: Vec<u8> = (0..4096u32).map(|at| (at % 251) as u8).collect();
        let digest = common::Sha256::of_bytes(&copy).to_string();
        copy.extend((0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap()));
        let checked = |copy: &[u8]| check_stream(copy.len() as u64, copy);
        checked(&copy).unwrap();
        for length in [0, 1, 32, 33, 544, 4064, 4096, 4127] {
            assert!(checked(&copy[..length]).is_err(), "{length} bytes");
        }
        assert!(check_stream(copy.len() as u64, &copy[..100]).is_err(), "it ends early");
        for at in [0, 2000, 4095, 4096, 4127] {
            let mut changed = copy.clone();
            changed[at] ^= 1;
            assert!(checked(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    #[ignore = "needs the SWIX in dist/, or etcd and etcdctl in $KOE_ETCD"]
    fn swix_in_dist_has_an_etcdctl_whose_copy_is_taken_for_whole_and_comes_up_again() {
        let server = Server::start(&[]);
        server.put("before", "the copy").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("copy");
        server.etcd.save_snapshot(&copy).unwrap();
        server.put("after", "the copy").unwrap();
        let cluster = crate::master_fixture::cluster();
        let data = directory.path().join("restored");
        server.etcd.restore_snapshot(&copy, &data, &cluster, cluster.master()).unwrap();
        let restored = Server::start_on(&data, &[]);
        assert_eq!(restored.get("before").unwrap(), "the copy\n");
        assert_eq!(restored.get("after").unwrap(), "");
        let error = server.etcd.restore_snapshot(&copy, &data, &cluster, cluster.master()).unwrap_err();
        assert!(format!("{error:#}").contains("cannot restore etcd's data"), "{error:#}");
    }
}
