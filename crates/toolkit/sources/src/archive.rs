//! Archives read safely: whatever is in one, nothing is written outside of the directory that it is
//! unpacked into, and modes are normalised, so that neither the archive's maker nor the umask counts.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufReader, Read, Seek},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use tar::EntryType;

/// A reader of the tar stream in `file`, whichever way it is compressed.
pub(crate) fn open_tar<'a>(file: impl Read + Seek + 'a) -> Result<tar::Archive<Box<dyn Read + 'a>>> {
    let mut file = BufReader::with_capacity(128 * 1024, file);
    let mut magic = [0; 262];
    let mut filled = 0;
    while filled < magic.len() {
        match file.read(&mut magic[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    file.rewind()?;
    let reader: Box<dyn Read + 'a> = if magic.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else if magic.starts_with(b"\xfd7zXZ\0") {
        Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file))
    } else if &magic[257..262] == b"ustar" {
        Box::new(file)
    } else {
        bail!("not an archive of a known kind: expected .tar.gz, .tar.xz or .tar");
    };
    Ok(tar::Archive::new(reader))
}

/// A path of an archive as one below the directory that it is unpacked into; none for that directory itself.
pub(crate) fn inner_path(path: &Path) -> Result<Option<PathBuf>> {
    let mut inner = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inner.push(name),
            Component::CurDir => {}
            _ => bail!("the archive has an entry outside of its directory: {}", path.display()),
        }
    }
    Ok((!inner.as_os_str().is_empty()).then_some(inner))
}

/// Unpacks archives over each other into one directory.
pub(crate) struct Unpacker<'a> {
    root: &'a Path,
    /// Directories that are known to be directories and no links.
    directories: HashSet<PathBuf>,
    links: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(root: &'a Path) -> Result<Self> {
        set_mode(root, 0o755)?;
        Ok(Unpacker { root, directories: HashSet::new(), links: Vec::new() })
    }

    /// Returns the paths of everything in it that is no directory.
    pub(crate) fn unpack<R: Read>(&mut self, mut archive: tar::Archive<R>) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in archive.entries().context("cannot read the archive")? {
            let mut entry = entry.context("cannot read the archive")?;
            let named = entry.path().context("cannot read the archive")?.into_owned();
            let kind = entry.header().entry_type();
            if matches!(kind, EntryType::XGlobalHeader) {
                continue;
            }
            let Some(path) = inner_path(&named)? else { continue };
            self.entry(&mut entry, kind, &path).with_context(|| format!("cannot unpack {}", path.display()))?;
            if !kind.is_dir() {
                files.push(path);
            }
        }
        Ok(files)
    }

    fn entry<R: Read>(&mut self, entry: &mut tar::Entry<R>, kind: EntryType, path: &Path) -> Result<()> {
        let target = self.root.join(path);
        if kind.is_dir() {
            return self.directory(path);
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        match fs::symlink_metadata(&target) {
            Ok(there) if there.is_dir() => bail!("a directory is already there"),
            Ok(_) => {
                fs::remove_file(&target)?;
                self.links.retain(|(link, _)| link != path);
            }
            Err(_) => {}
        }
        if kind.is_file() || kind == EntryType::Continuous || kind.is_gnu_sparse() {
            let mode = if entry.header().mode()? & 0o111 == 0 { 0o644 } else { 0o755 };
            io::copy(entry, &mut File::create_new(&target)?)?;
            return set_mode(&target, mode);
        }
        let to = entry.link_name()?.context("a link to nothing")?.into_owned();
        if kind.is_symlink() {
            symlink(&to, &target)?;
            self.links.push((path.to_owned(), to));
            return Ok(());
        }
        ensure!(kind.is_hard_link(), "neither a file, a directory nor a link");
        let to = inner_path(&to)?.context("a link to the directory itself")?;
        if let Some(parent) = to.parent() {
            self.directory(parent)?;
        }
        let to = self.root.join(to);
        ensure!(fs::symlink_metadata(&to)?.is_file(), "a link to something that is no file");
        fs::hard_link(&to, &target).with_context(|| format!("cannot link to {}", to.display()))
    }

    /// Makes a directory and those above it. A link in its place is an error: nothing is written through one.
    fn directory(&mut self, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        let target = self.root.join(path);
        match fs::symlink_metadata(&target) {
            Ok(there) => ensure!(there.is_dir(), "{} is in the archive, and not as a directory", path.display()),
            Err(_) => {
                fs::create_dir(&target)?;
                set_mode(&target, 0o755)?;
            }
        }
        self.directories.insert(path.to_owned());
        Ok(())
    }

    /// Refuses links that lead out of `top`, a directory below the root.
    pub(crate) fn check_links(&self, top: &Path) -> Result<()> {
        for (link, to) in &self.links {
            let mut depth = link.strip_prefix(top).unwrap_or(link).components().count() as i64 - 1;
            for part in to.components() {
                depth += match part {
                    Component::Normal(_) => 1,
                    Component::CurDir => 0,
                    Component::ParentDir => -1,
                    _ => i64::MIN / 2,
                };
                ensure!(depth >= 0, "{} is a link to {}, outside of the tree", link.display(), to.display());
            }
        }
        Ok(())
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with one entry, its name and link unchecked.
    fn tar_of(name: &str, kind: EntryType, link: &str) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o7777);
        header.set_size(0);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, io::empty()).unwrap();
        builder.into_inner().unwrap()
    }

    fn unpack(archives: &[Vec<u8>]) -> Result<tempfile::TempDir> {
        let dir = tempfile::tempdir()?;
        fs::create_dir(dir.path().join("root"))?;
        let root = dir.path().join("root");
        let mut unpacker = Unpacker::new(&root)?;
        for archive in archives {
            unpacker.unpack(open_tar(io::Cursor::new(archive))?)?;
        }
        unpacker.check_links(Path::new(""))?;
        Ok(dir)
    }

    #[test]
    fn an_entry_outside_of_the_directory_is_refused() {
        for name in ["../evil", "a/../../evil", "/etc/evil"] {
            let error = unpack(&[tar_of(name, EntryType::Regular, "")]).unwrap_err();
            assert!(format!("{error:#}").contains("outside of its directory"), "{error:#}");
        }
    }

    #[test]
    fn a_link_that_leads_outside_is_refused_and_one_inside_is_not() {
        for to in ["/etc", "../x", "b/../../x"] {
            let error = unpack(&[tar_of("link", EntryType::Symlink, to)]).unwrap_err();
            assert!(error.to_string().contains("outside of the tree"), "{error:#}");
        }
        unpack(&[tar_of("a/link", EntryType::Symlink, "../b")]).unwrap();
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let link = tar_of("dir", EntryType::Symlink, "elsewhere");
        let error = unpack(&[link, tar_of("dir/file", EntryType::Regular, "")]).unwrap_err();
        assert!(format!("{error:#}").contains("not as a directory"), "{error:#}");
    }

    #[test]
    fn modes_are_the_same_whatever_the_archive_says() {
        let dir = unpack(&[tar_of("dir/program", EntryType::Regular, "")]).unwrap();
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("root"), mode("root/dir"), mode("root/dir/program")), (0o755, 0o755, 0o755));
    }

    #[test]
    fn a_device_is_refused() {
        let error = unpack(&[tar_of("null", EntryType::Char, "/")]).unwrap_err();
        assert!(format!("{error:#}").contains("neither a file"), "{error:#}");
    }

    #[test]
    fn bytes_that_are_no_archive_say_what_is_expected() {
        let error = unpack(&[b"<html>blocked</html>".to_vec()]).unwrap_err();
        assert!(error.to_string().contains("expected .tar.gz, .tar.xz or .tar"), "{error:#}");
    }
}
