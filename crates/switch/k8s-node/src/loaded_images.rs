//! The images that the bring-up has loaded into EOS' Docker, so that `down` takes these away and no others.
//!
//! What Docker has before is not ours, whoever loaded it and under whatever name: only an image whose id it did not know is. Of
//! ours, one that somebody else's container is made of stays, and under a name that somebody else has given it, it stays, too.
//! A name that an archive takes from another image is given back. What kubelet has pulled from a registry is not recorded.
//!
//! The record is a file among Docker's own data, which is in memory on one switch and on a disk on another: it lasts exactly as
//! long as the images that it speaks of.

mod record;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cluster::state;
use common::{errors, files};
use contract::places;

use self::record::{Record, Taken};
use crate::{containers, image_archive::Image};

/// In Docker's directory.
const RECORD: &str = "kubernetes-on-eos-images.json";

/// What is asked of Docker.
trait Images {
    /// None where it has no image of that name or id.
    fn id(&self, name: &str) -> Result<Option<String>>;
    fn names_of(&self, id: &str) -> Result<usize>;
    fn is_used(&self, id: &str) -> Result<bool>;
    fn load(&self, archive: &Path) -> Result<()>;
    fn give_name(&self, id: &str, name: &str) -> Result<()>;
    /// The image goes with its last name.
    fn remove_name(&self, name: &str) -> Result<()>;
    fn remove_nameless(&self, id: &str) -> Result<()>;
}

/// EOS'.
struct Docker;

impl Images for Docker {
    fn id(&self, name: &str) -> Result<Option<String>> {
        containers::image_id(name)
    }

    fn names_of(&self, id: &str) -> Result<usize> {
        containers::names_of(id)
    }

    fn is_used(&self, id: &str) -> Result<bool> {
        containers::is_used(id)
    }

    fn load(&self, archive: &Path) -> Result<()> {
        containers::load(archive)
    }

    fn give_name(&self, id: &str, name: &str) -> Result<()> {
        containers::name_image(id, name)
    }

    fn remove_name(&self, name: &str) -> Result<()> {
        containers::remove_image(name)
    }

    fn remove_nameless(&self, id: &str) -> Result<()> {
        containers::remove_nameless(id)
    }
}

fn record_of_docker() -> Result<PathBuf> {
    Ok(containers::data_directory()?.join(RECORD))
}

/// Takes over what an earlier release has recorded, in memory, so that an upgrade forgets none of it.
pub fn adopt() -> Result<()> {
    let before = Path::new(places::LOADED_IMAGES_BEFORE);
    if before.exists() { adopt_into(&record_of_docker()?, before) } else { Ok(()) }
}

/// Loads an archive, whose images are these.
pub fn load(archive: &Path, images: &[Image]) -> Result<()> {
    load_into(&Docker, archive, images, &record_of_docker()?)
}

/// After the pods' containers.
pub fn remove_all() -> Result<()> {
    adopt()?;
    remove_all_from(&Docker, &record_of_docker()?)
}

/// Power may have gone in the middle of it: what it said is lost, and no reason not to come up.
fn record_or_none(file: &Path) -> Record {
    Record::read(file).unwrap_or_else(|error| {
        eprintln!("{error:#}");
        Record::default()
    })
}

fn adopt_into(file: &Path, before: &Path) -> Result<()> {
    let _writer = state::lock_beside(file)?;
    let mut record = record_or_none(file);
    // A line an image: its id, and the name that it was loaded under.
    for (id, tag) in files::read_text(before)?.lines().filter_map(|line| line.split_once(' ')) {
        record.add(id);
        if !record.taken.iter().any(|taken| taken.tag == tag) {
            record.take(tag, id, None);
        }
    }
    record.write(file)?;
    Record::remove(before)
}

fn load_into(docker: &impl Images, archive: &Path, images: &[Image], file: &Path) -> Result<()> {
    let writer = state::lock_beside(file)?;
    let mut record = record_or_none(file);
    for Image { tag, id } in images {
        if docker.id(id)?.is_none() {
            record.add(id);
        }
        let now = docker.id(tag)?;
        if now.as_ref() != Some(id) {
            record.take(tag, id, now);
        }
    }
    // Recorded first: one that is recorded and not there is harmless, one that is there and not recorded stays.
    record.write(file)?;
    drop(writer);
    docker.load(archive)
}

fn remove_all_from(docker: &impl Images, file: &Path) -> Result<()> {
    let _writer = state::lock_beside(file)?;
    let record = Record::read(file)?;
    let given_back = record.taken.iter().map(|taken| {
        let is_ours = record.loaded.contains(&taken.id);
        give_back(docker, taken, is_ours).with_context(|| format!("the name {}", taken.tag))
    });
    let removed =
        record.loaded.iter().map(|id| remove_if_nameless(docker, id).with_context(|| format!("the image {id}")));
    errors::all(given_back.chain(removed))?;
    Record::remove(file)
}

/// A name that is another image's by now has been given to that by somebody else, and stays.
fn give_back(docker: &impl Images, taken: &Taken, is_ours: bool) -> Result<()> {
    let Taken { tag, id, before } = taken;
    let now = docker.id(tag)?;
    if now.as_ref().is_some_and(|now| now != id) {
        return Ok(());
    }
    if let Some(before) = before
        && docker.id(before)?.is_some()
    {
        return docker.give_name(before, tag);
    }
    // An image that somebody else has would go with its only name.
    let goes = now.is_some() && if is_ours { !docker.is_used(id)? } else { docker.names_of(id)? > 1 };
    if goes { docker.remove_name(tag) } else { Ok(()) }
}

/// One of ours whose names have all been given to others.
fn remove_if_nameless(docker: &impl Images, id: &str) -> Result<()> {
    if docker.id(id)?.is_some() && docker.names_of(id)? == 0 && !docker.is_used(id)? {
        docker.remove_nameless(id)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
