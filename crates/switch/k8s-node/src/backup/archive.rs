//! The form of a backup: a gzipped tar, whose first member says of which cluster it is and which members follow, each with
//! size and SHA-256.
//!
//! A reader takes nothing on trust: a member that is not in the list, not in its place or not of its digest, an end that comes
//! too early, and anything behind the end make a backup that is none.

use std::{
    fs::File,
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use cluster::pki::KeyDigest;
use common::{
    digest::{Hasher, Sha256},
    files,
};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use tar::{Archive, Builder, Header};

use super::members;

/// Of the form.
pub const VERSION: u32 = 1;

const MANIFEST: &str = "manifest.json";

/// Longer than any list of members.
const LONGEST_MANIFEST: u64 = 1 << 20;

/// Of which cluster a backup is, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    pub cluster: String,
    /// The master's name.
    pub master: String,
    /// The public key of the cluster's certificate authority, which no other cluster has.
    pub authority: KeyDigest,
    /// The version of Kubernetes that wrote etcd's data.
    pub kubernetes: String,
    pub made: String,
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    pub name: String,
    pub size: u64,
    pub sha256: Sha256,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A member that is to be written.
pub enum Source {
    Bytes { name: String, bytes: Vec<u8> },
    File { name: String, file: PathBuf },
}

impl Source {
    /// One that is small.
    pub fn read(name: &str, file: &Path) -> Result<Source> {
        Ok(Source::Bytes { name: name.to_owned(), bytes: files::read(file)? })
    }

    pub fn member(&self) -> Result<Member> {
        Ok(match self {
            Source::Bytes { name, bytes } => {
                Member { name: name.clone(), size: bytes.len() as u64, sha256: Sha256::of_bytes(bytes) }
            }
            Source::File { name, file } => {
                let read = || Ok::<_, io::Error>((file.metadata()?.len(), Sha256::of_file(file)?));
                let (size, sha256) = read().with_context(|| format!("cannot read {}", file.display()))?;
                Member { name: name.clone(), size, sha256 }
            }
        })
    }

    fn open(&self) -> Result<Box<dyn Read + '_>> {
        Ok(match self {
            Source::Bytes { bytes, .. } => Box::new(bytes.as_slice()),
            Source::File { file, .. } => {
                Box::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?)
            }
        })
    }
}

/// Writes all of it, and gives back what it was written to.
pub fn write<W: Write>(to: W, manifest: &Manifest, sources: &[Source]) -> Result<W> {
    let mut archive = Builder::new(GzEncoder::new(to, Compression::fast()));
    let mut add = |name: &str, size: u64, contents: &mut dyn Read| {
        let mut header = Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, contents).with_context(|| format!("cannot write {name}"))
    };
    let list = serde_json::to_vec_pretty(manifest).context("cannot write the list of members")?;
    add(MANIFEST, list.len() as u64, &mut list.as_slice())?;
    for (member, source) in manifest.members.iter().zip(sources) {
        add(&member.name, member.size, &mut source.open()?)?;
    }
    archive.into_inner().and_then(GzEncoder::finish).context("cannot write the end")
}

/// A backup that is being read.
pub struct Reader<R: BufRead> {
    archive: Archive<GzDecoder<R>>,
}

impl<R: BufRead> Reader<R> {
    pub fn new(from: R) -> Self {
        Reader { archive: Archive::new(GzDecoder::new(from)) }
    }

    /// Hands over each member behind the list, and fails where anything is not as the list has it.
    pub fn each(mut self, mut take: impl FnMut(&Member, &mut dyn Read) -> Result<()>) -> Result<Manifest> {
        let damaged = "it is not whole: it ends early, or is damaged";
        let mut entries = self.archive.entries().context("it is no backup")?;
        let manifest = manifest(entries.next())?;
        for member in &manifest.members {
            let entry = entries.next().with_context(|| format!("{damaged}: there is no {}", member.name))?;
            let mut entry = entry.context(damaged)?;
            let (name, size) = (entry.path_bytes().into_owned(), entry.size());
            ensure!(name == member.name.as_bytes() && size == member.size, "{damaged}: where {} belongs", member.name);
            let mut hashed = Hashing { from: &mut entry, hasher: Hasher::default() };
            take(member, &mut hashed).with_context(|| format!("{damaged}: {}", member.name))?;
            io::copy(&mut hashed, &mut io::sink()).context(damaged)?;
            ensure!(hashed.hasher.finish() == member.sha256, "{damaged}: {} is not what it was", member.name);
        }
        ensure!(entries.next().is_none(), "{damaged}: there is more in it than its list has");
        // The end of the tar is not yet that of the gzip, whose own check comes last.
        let mut rest = self.archive.into_inner();
        let mut behind = Vec::new();
        rest.by_ref().take(1 << 20).read_to_end(&mut behind).context(damaged)?;
        ensure!(behind.iter().all(|byte| *byte == 0), "{damaged}: something stands behind its end");
        ensure!(
            rest.into_inner().fill_buf().context(damaged)?.is_empty(),
            "{damaged}: something stands behind its end"
        );
        Ok(manifest)
    }
}

fn manifest<R: Read>(first: Option<io::Result<tar::Entry<'_, R>>>) -> Result<Manifest> {
    let none = "it is no backup of k8s-node's, or damaged at its beginning";
    let mut entry = first.context(none)?.context(none)?;
    ensure!(*entry.path_bytes() == *MANIFEST.as_bytes() && entry.size() <= LONGEST_MANIFEST, none);
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).context(none)?;
    let Version { version } = serde_json::from_slice(&bytes).context(none)?;
    if version > VERSION {
        bail!("it is of a later release, and this one cannot read it: install the release that it was made with");
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).context(none)?;
    for member in &manifest.members {
        ensure!(members::is_known(&member.name), "{none}: {:?} is nothing that a backup has", member.name);
    }
    Ok(manifest)
}

struct Hashing<'a> {
    from: &'a mut dyn Read,
    hasher: Hasher,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
