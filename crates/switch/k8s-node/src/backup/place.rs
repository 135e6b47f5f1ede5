//! Where a backup may lie as it is: on a file system that keeps others from it, in a directory of root's.

use std::{
    fs::File,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;

const ENCRYPT: &str = "encrypt it: --recipient, --passphrase-file or --passphrase";

/// The directory that is to hold the file.
pub fn directory_of(file: &Path) -> Result<PathBuf> {
    ensure!(!file.is_dir(), "{} is a directory: name the file", file.display());
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    directory.canonicalize().with_context(|| format!("{} is no directory that is there", directory.display()))
}

/// Fails where others could put another file in its place.
pub fn require_roots_alone(directory: &Path) -> Result<()> {
    let data = directory.metadata().with_context(|| format!("cannot look at {}", directory.display()))?;
    let ours = data.uid() == geteuid().as_raw() && data.permissions().mode() & 0o022 == 0;
    ensure!(
        ours,
        "{} is not root's alone to write in (mode {:o}), or its file system knows no modes, as vfat: {ENCRYPT}",
        directory.display(),
        data.permissions().mode() & 0o777
    );
    Ok(())
}

/// Fails where a file that was made for its owner alone is for others, too: vfat has modes by its mount alone.
pub fn require_mode(file: &File) -> Result<()> {
    let data = file.metadata().context("cannot look at what is being written")?;
    let mode = data.permissions().mode() & 0o777;
    ensure!(
        mode & 0o077 == 0 && data.uid() == geteuid().as_raw(),
        "others may read it there (mode {mode:o}), whatever modes are asked for, as on vfat: {ENCRYPT}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_backup_is_plain_only_where_nobody_else_reads_or_writes() {
        let directory = tempfile::tempdir().unwrap();
        let of_mode = |mode| {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            require_roots_alone(directory.path()).map_err(|error| error.to_string())
        };
        of_mode(0o700).unwrap();
        of_mode(0o755).unwrap();
        // As EOS mounts its flash, and as /tmp is.
        for mode in [0o770, 0o777] {
            let error = of_mode(mode).unwrap_err();
            assert!(error.contains("as vfat: encrypt it: --recipient"), "{error}");
        }
        let file = File::create(directory.path().join("file")).unwrap();
        for (mode, alone) in [(0o600, true), (0o640, false), (0o770, false)] {
            file.set_permissions(Permissions::from_mode(mode)).unwrap();
            assert_eq!(require_mode(&file).is_ok(), alone, "{mode:o}");
        }
        assert!(directory_of(directory.path()).is_err() && directory_of("/no/such/file".as_ref()).is_err());
    }
}
