//! What is in an archive that `docker save` has made: names and ids of its images, without asking Docker.

use std::{
    fs,
    io::{BufReader, Read},
    path::Path,
};

use anyhow::{Context, Result};
use flate2::bufread::GzDecoder;
use serde::Deserialize;

/// The list of an archive's images is short; a longer one is not what it says it is.
const LONGEST_MANIFEST: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub tag: String,
    /// As Docker gives it: `sha256:…`.
    pub id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestEntry {
    config: String,
    repo_tags: Option<Vec<String>>,
}

/// The images that have a name.
pub fn images(archive: &Path) -> Result<Vec<Image>> {
    let read = || -> Result<Vec<Image>> {
        let file = BufReader::new(fs::File::open(archive)?);
        let plain: Box<dyn Read> = if archive.extension().is_some_and(|end| end == "gz" || end == "tgz") {
            Box::new(GzDecoder::new(file))
        } else {
            Box::new(file)
        };
        parse(plain)
    };
    read().with_context(|| format!("{} is not an archive of images", archive.display()))
}

fn parse(archive: impl Read) -> Result<Vec<Image>> {
    for entry in tar::Archive::new(archive).entries()? {
        let entry = entry?;
        if entry.path()?.as_os_str() != "manifest.json" {
            continue;
        }
        let mut json = Vec::new();
        entry.take(LONGEST_MANIFEST).read_to_end(&mut json)?;
        let manifest: Vec<ManifestEntry> = serde_json::from_slice(&json).context("its manifest.json cannot be read")?;
        return Ok(manifest.into_iter().flat_map(named).collect());
    }
    anyhow::bail!("there is no manifest.json in it")
}

fn named(entry: ManifestEntry) -> Vec<Image> {
    // `<id>.json`, or `blobs/sha256/<id>` from newer Dockers.
    let id = entry.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    let id = format!("sha256:{id}");
    entry.repo_tags.unwrap_or_default().into_iter().map(|tag| Image { tag, id: id.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(manifest: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(manifest.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, "manifest.json", manifest.as_bytes()).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn names_and_ids_are_read_from_old_and_new_archives() {
        let old = archive(r#"[{"Config":"abc.json","RepoTags":["web:1","web:latest"],"Layers":[]}]"#);
        let images = parse(old.as_slice()).unwrap();
        assert_eq!(images[1], Image { tag: "web:latest".into(), id: "sha256:abc".into() });
        let new = archive(r#"[{"Config":"blobs/sha256/abc","RepoTags":["web:1"],"Layers":[]}]"#);
        assert_eq!(parse(new.as_slice()).unwrap()[0].id, "sha256:abc");
    }

    #[test]
    fn what_is_no_archive_of_images_is_an_error() {
        assert!(parse(b"not a tar".as_slice()).is_err());
        assert!(parse(archive("{").as_slice()).is_err());
        assert!(parse(tar::Builder::new(Vec::new()).into_inner().unwrap().as_slice()).is_err());
    }
}
