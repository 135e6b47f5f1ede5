//! A tree made from what was fetched. Every blob is hashed again before a byte of it is unpacked, and
//! the tree appears in its place whole or not at all.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use common::files;
use recipes::RelativePath;

use crate::{
    archive::{Unpacker, open_tar},
    fetched::{BlobFile, Fetched, FetchedPackage, Form},
    patch,
    store::Store,
};

/// The files of a Debian package, as it has them.
pub type PackageFiles = (FetchedPackage, Vec<PathBuf>);

/// Unpacks into `into`, which must not be there yet or be empty. Says which Debian package had which files.
pub fn unpack(fetched: &Fetched, store: &Store, into: &Path) -> Result<Vec<PackageFiles>> {
    let beside = into.parent().context("a tree cannot be unpacked in place of the root directory")?;
    files::create_dir(beside)?;
    let staging = tempfile::Builder::new().prefix(".unpack-").tempdir_in(beside).context("cannot make a directory")?;
    let tree = staging.path().join("tree");
    files::create_dir(&tree)?;
    let mut owned = Vec::new();
    let made = match &fetched.form {
        Form::Tree => unpack_tree(&fetched.files, store, &tree, Top::Kept).and_then(|top| below(&top, None)),
        Form::Archive { root } => {
            unpack_tree(&fetched.files, store, &tree, Top::Stripped).and_then(|top| below(&top, root.as_ref()))
        }
        Form::DebianSource { patches } => debian_source(&fetched.files, patches, store, &tree),
        Form::DebianPackages { root } => {
            packages(&fetched.files, store, &tree, &mut owned).and_then(|()| below(&tree, root.as_ref()))
        }
    };
    let made = made.with_context(|| format!("cannot unpack {} {}", fetched.name, fetched.version))?;
    if into.is_dir() {
        fs::remove_dir(into).with_context(|| format!("{} is in the way and not empty", into.display()))?;
    }
    fs::rename(&made, into).with_context(|| format!("cannot move the tree to {}", into.display()))?;
    Ok(owned)
}

/// Whether the one directory that an archive holds stands for the tree.
#[derive(PartialEq)]
enum Top {
    Kept,
    Stripped,
}

fn open(file: &BlobFile, store: &Store) -> Result<File> {
    store.open_verified(&file.sha256)?.with_context(|| {
        format!("{} is damaged or gone from the cache ({}): run again, it is fetched anew", file.name, file.sha256)
    })
}

fn unpack_tree(archives: &[BlobFile], store: &Store, root: &Path, top: Top) -> Result<PathBuf> {
    let mut unpacker = Unpacker::new(root)?;
    for archive in archives {
        let tar = open_tar(open(archive, store)?).with_context(|| archive.name.clone())?;
        unpacker.unpack(tar).with_context(|| archive.name.clone())?;
    }
    let top = if top == Top::Stripped { only_directory(root)? } else { None };
    unpacker.check_links(top.as_deref().unwrap_or(Path::new("")))?;
    Ok(top.map_or_else(|| root.to_owned(), |top| root.join(top)))
}

/// The name of the directory that is all there is in `root`.
fn only_directory(root: &Path) -> Result<Option<PathBuf>> {
    let entries = fs::read_dir(root)?.take(2).collect::<Result<Vec<_>, _>>()?;
    Ok(match entries.as_slice() {
        [only] if only.file_type()?.is_dir() => Some(only.file_name().into()),
        _ => None,
    })
}

fn below(tree: &Path, root: Option<&RelativePath>) -> Result<PathBuf> {
    let Some(root) = root else { return Ok(tree.to_owned()) };
    let mut directory = tree.to_owned();
    for part in root.split('/') {
        directory.push(part);
        ensure!(!directory.is_symlink() && directory.is_dir(), "there is no directory {root} in it");
    }
    Ok(directory)
}

fn packages(files: &[BlobFile], store: &Store, root: &Path, owned: &mut Vec<PackageFiles>) -> Result<()> {
    let mut unpacker = Unpacker::new(root)?;
    for file in files {
        let data = package_data(open(file, store)?).with_context(|| file.name.clone())?;
        let unpacked = unpacker.unpack(open_tar(data)?).with_context(|| file.name.clone())?;
        owned.extend(file.package.clone().map(|package| (package, unpacked)));
    }
    Ok(())
}

/// The upstream archive, other upstream archives in directories of their names, and those of Debian's
/// patches that are desired.
fn debian_source(files: &[BlobFile], patches: &[RelativePath], store: &Store, root: &Path) -> Result<PathBuf> {
    let main: Vec<BlobFile> =
        files.iter().filter(|file| extra(&file.name).is_none() && !is_debian(&file.name)).cloned().collect();
    ensure!(main.len() == 1, "expected one upstream archive among its files, found {}", main.len());
    let tree = unpack_tree(&main, store, root, Top::Stripped)?;
    for file in files {
        let Some(name) = extra(&file.name) else { continue };
        let directory = tree.join(name);
        files::remove_tree(&directory)?;
        let side = root.with_file_name(format!("extra-{name}"));
        files::create_dir(&side)?;
        let top = unpack_tree(std::slice::from_ref(file), store, &side, Top::Stripped)?;
        fs::rename(&top, &directory).with_context(|| format!("cannot put {} in its place", file.name))?;
    }
    for file in files.iter().filter(|file| is_debian(&file.name)) {
        files::remove_tree(&tree.join("debian"))?;
        unpack_tree(std::slice::from_ref(file), store, &tree, Top::Kept)?;
    }
    let patches: Vec<PathBuf> = patches.iter().map(|name| tree.join("debian/patches").join(name)).collect();
    if let Some(missing) = patches.iter().find(|patch| !patch.is_file()) {
        bail!("{} is not in the package's archive of patches", missing.display());
    }
    patch::apply(&tree, &patches)?;
    Ok(tree)
}

fn is_debian(name: &str) -> bool {
    name.contains(".debian.tar.")
}

/// The component of `NAME_VERSION.orig-COMPONENT.tar.xz`.
fn extra(name: &str) -> Option<&str> {
    name.split_once(".orig-")?.1.split_once(".tar.").map(|(component, _)| component)
}

/// The member `data.tar*` of a .deb, which is an `ar` archive.
fn package_data(mut deb: File) -> Result<std::io::Cursor<Vec<u8>>> {
    let mut magic = [0; 8];
    deb.read_exact(&mut magic)?;
    ensure!(&magic == b"!<arch>\n", "not a Debian package");
    loop {
        let mut header = [0; 60];
        if deb.read_exact(&mut header).is_err() {
            bail!("a Debian package without data");
        }
        let field = |range: std::ops::Range<usize>| String::from_utf8_lossy(&header[range]).trim().to_owned();
        let size: u64 = field(48..58).parse().context("not a Debian package")?;
        if field(0..16).starts_with("data.tar") {
            let mut data = Vec::new();
            deb.take(size).read_to_end(&mut data)?;
            return Ok(std::io::Cursor::new(data));
        }
        deb.seek(SeekFrom::Current((size + size % 2) as i64))?;
    }
}
