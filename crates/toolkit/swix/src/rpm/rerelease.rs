//! A package read, to be written again as another release of the same files.

use std::path::Path;

use anyhow::{Context, Result, bail};
use common::files;

use super::{FileKind, Package, parse};
use crate::{
    SourceDate,
    tree::{Entry, Kind},
};

impl Package {
    /// The package in `bytes` with another release. Its files' contents are put into `directory`, from where they are
    /// taken when it is written.
    pub fn rereleased(bytes: &[u8], release: &str, directory: &Path) -> Result<Package> {
        let read = parse(bytes)?;
        let header = read.contents.header;
        let description = ::rpm::Package::parse(&mut &bytes[..])?.metadata.get_description()?.to_owned();
        let arch = header.known_arch();
        let mut entries = Vec::new();
        for (number, file) in read.contents.files.into_iter().enumerate() {
            let mode = file.mode & 0o7777;
            let kind = match file.kind {
                FileKind::Regular { .. } => {
                    let Some(data) = read.data.get(&file.path) else { bail!("{} has no contents", file.path) };
                    let from = directory.join(number.to_string());
                    files::write_atomically(&from, data)?;
                    Kind::File { from, mode }
                }
                FileKind::Symlink { target } => Kind::Symlink { target },
                FileKind::Directory => Kind::Directory { mode },
            };
            entries.push(Entry { path: file.path.trim_start_matches('/').to_owned(), kind });
        }
        Ok(Package {
            name: header.name,
            version: header.version,
            release: release.to_owned(),
            arch: arch.with_context(|| format!("it is for {}, which is no architecture of EOS", header.arch))?,
            summary: header.summary,
            description,
            license: header.license,
            url: header.url,
            vendor: header.vendor,
            date: SourceDate(u32::try_from(header.build_time).context("it was built after 2106")?),
            entries,
            scriptlets: read.contents.scriptlets,
        })
    }
}

#[cfg(test)]
mod tests {
    use common::Arch;

    use super::*;
    use crate::rpm::Scriptlets;

    #[test]
    fn another_release_differs_in_nothing_but_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        std::fs::write(&program, "contents").unwrap();
        let package = Package {
            name: "small".into(),
            version: "1".into(),
            release: "7".into(),
            arch: Arch::I386,
            summary: "Small".into(),
            description: "Small\nand more".into(),
            license: "Apache-2.0".into(),
            url: "https://example.com".into(),
            vendor: "nobody".into(),
            date: SourceDate(1_610_541_600),
            entries: vec![
                Entry::program("usr/share/small/program", &program),
                Entry::symlink("opt/link", "target"),
                Entry::directory("opt/small"),
            ],
            scriptlets: Scriptlets { post: Some("echo there\n".into()), preun: None },
        };
        let (old, new) = (directory.path().join("old.rpm"), directory.path().join("new.rpm"));
        package.write(&old).unwrap();
        let again = Package::rereleased(&files::read(&old).unwrap(), "8", directory.path()).unwrap();
        assert_eq!((again.release.as_str(), again.description.as_str()), ("8", "Small\nand more"));
        again.write(&new).unwrap();
        let [mut old, new] = [old, new].map(|path| parse(&files::read(&path).unwrap()).unwrap());
        assert_eq!(old.contents.header.release, "7");
        old.contents.header.release = "8".into();
        assert_eq!((old.contents, old.data), (new.contents, new.data));
    }
}
