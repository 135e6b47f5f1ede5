//! What the first release, df965f1, left on the flash of each switch of a cluster that it had brought up: recorded once, in an archive,
//! and put on new switches. The keys in it are a test's, and open nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cluster::Cluster;
use common::{command::Program, files};
use contract::places::{FLASH, STATE};
use devices::{Device, Flash};

use crate::scene::{ON_FLASH, Parts};

/// Of every switch.
pub const CLUSTER_TOML: &str = include_str!("../recorded/cluster.toml");

/// What in the state lasts, and is the same or none of its cluster's: archives of images come from this machine.
const NOT_RECORDED: [&str; 2] = ["images", "log"];

/// Whether a lab's switches are those of the recording.
pub fn is_of(cluster: &Cluster) -> bool {
    let recorded = Cluster::parse(CLUSTER_TOML, "the recorded cluster.toml");
    let nodes = |cluster: &Cluster| {
        let nodes = cluster.nodes.iter();
        nodes.map(|node| (node.name.to_lowercase(), node.address, node.master, node.worker)).collect::<Vec<_>>()
    };
    recorded.is_ok_and(|recorded| nodes(&recorded) == nodes(cluster))
}

/// What a switch of the first release finds on its flash before it is recorded.
pub fn before(parts: &Parts, swix: &Path) -> Result<Flash> {
    let flash = Flash::new().with_boot_extension(swix)?.with_bytes("cluster.toml", CLUSTER_TOML);
    Ok(flash.with_file(ON_FLASH, &parts.probe_image))
}

/// The recording, unpacked.
pub struct Recording {
    directory: tempfile::TempDir,
}

impl Recording {
    pub fn unpack(archive: &Path) -> Result<Self> {
        let directory = tempfile::tempdir().context("cannot make a directory for the recording")?;
        let tar = Program::new("tar", "unpack the recording")?.args(["--extract", "--file"]).arg(archive);
        tar.arg("--directory").arg(directory.path()).read()?;
        Ok(Recording { directory })
    }

    /// Takes it of switches that are off.
    pub fn of<'a>(switches: impl IntoIterator<Item = &'a Device<'a>>) -> Result<Self> {
        let directory = tempfile::tempdir().context("cannot make a directory for the recording")?;
        let recording = Recording { directory };
        for switch in switches {
            let here = recording.of_switch(switch);
            files::create_dir(&here)?;
            switch.copy_out(STATE, &recording.file(switch, STATE))?;
            files::write_atomically(&here.join("cluster.toml"), CLUSTER_TOML)?;
            for name in NOT_RECORDED {
                let left_out = recording.file(switch, &format!("{STATE}/{name}"));
                if left_out.exists() {
                    std::fs::remove_dir_all(&left_out).with_context(|| format!("cannot remove {name}"))?;
                }
            }
        }
        Ok(recording)
    }

    /// etcd keeps files of 64 MB that are mostly zeros: packed, they are nothing.
    pub fn pack(&self, archive: &Path) -> Result<()> {
        let parent = archive.parent().context("the recording is in no directory")?;
        files::create_dir(parent)?;
        let whole = tempfile::NamedTempFile::new_in(parent).context("cannot make a file for the recording")?;
        let tar = Program::new("tar", "pack the recording")?
            .args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--sparse"])
            .args(["--use-compress-program=xz -9", "--file"])
            .arg(whole.path());
        tar.arg("--directory").arg(self.directory.path()).arg(".").read()?;
        whole.persist(archive).map(drop).with_context(|| format!("cannot write {}", archive.display()))
    }

    /// What was recorded of a switch, with this SWIX as its boot extension and this machine's image of the test pods.
    pub fn flash(&self, switch: &Device<'_>, swix: &Path, parts: &Parts) -> Result<Flash> {
        let mut flash = before(parts, swix)?;
        let (directory, mut files) = (self.of_switch(switch), 0);
        for entry in walkdir::WalkDir::new(&directory) {
            let entry = entry.with_context(|| format!("nothing is recorded of {}", switch.name()))?;
            if entry.file_type().is_file() {
                flash = flash.with_file(entry.path().strip_prefix(&directory)?, entry.path());
                files += 1;
            }
        }
        ensure!(files > 1, "nothing is recorded of {}", switch.name());
        Ok(flash)
    }

    /// A file as it was, by where it was.
    pub fn file(&self, switch: &Device<'_>, place: &str) -> PathBuf {
        let below = place.strip_prefix(FLASH).unwrap_or(place);
        self.of_switch(switch).join(below.trim_start_matches('/'))
    }

    fn of_switch(&self, switch: &Device<'_>) -> PathBuf {
        self.directory.path().join(switch.name())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    #[test]
    fn it_is_of_a_cluster_with_a_token_that_everybody_knows() {
        let cluster = Cluster::parse(CLUSTER_TOML, "cluster.toml").unwrap();
        assert!(is_of(&cluster));
        assert!(!cluster.warnings.to_string().is_empty(), "it comes up all the same");
    }

    #[test]
    #[ignore = "needs tar and xz"]
    fn what_was_packed_is_what_is_unpacked_and_zeros_weigh_nothing() {
        let recording = Recording { directory: tempfile::tempdir().unwrap() };
        let place = "veos-b/k8s/etcd/member/wal/0.wal";
        let log = recording.directory.path().join(place);
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        let mut file = fs::File::create(&log).unwrap();
        file.write_all(b"begun").unwrap();
        file.set_len(64 * 1024 * 1024).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("recording.tar.xz");
        recording.pack(&archive).unwrap();
        assert!(archive.metadata().unwrap().len() < 4096);
        let unpacked = Recording::unpack(&archive).unwrap();
        assert!(fs::read(unpacked.directory.path().join(place)).unwrap() == fs::read(log).unwrap());
    }
}
