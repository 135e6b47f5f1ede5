//! Which image a device runs: the real one, or the stand-in for it.

use anyhow::{Context, Result};
use common::command::Program;
use topology::images::{STAND_INS, stand_in};

use super::build::{exists, stands_in_for};

/// What there is of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// To be used under this name.
    Image(String),
    /// Neither the image nor a stand-in; says what to do.
    Missing { advice: String },
}

/// The image of that name where Docker has it, else its stand-in.
pub fn choose(desired: &str) -> Result<Choice> {
    if exists(desired)? {
        return Ok(Choice::Image(desired.to_owned()));
    }
    let Some(stand_in) = stand_in(desired) else {
        return Ok(Choice::Missing {
            advice: format!("bring it with `docker load` or `docker import FILE {desired}`"),
        });
    };
    if exists(stand_in.image)? {
        return Ok(Choice::Image(stand_in.image.to_owned()));
    }
    let advice = format!("bring the real one with `docker load`, or make its stand-in: {}", stand_in.made_by);
    Ok(Choice::Missing { advice })
}

/// Stand-ins that bear the real images' names, for docker-topo, until this is dropped.
#[derive(Debug)]
pub struct Tags {
    put: Vec<&'static str>,
}

impl Tags {
    /// Gives its stand-in each of these names that no image has.
    pub fn put<'a>(desired: impl IntoIterator<Item = &'a str>) -> Result<Tags> {
        let mut tags = Tags { put: vec![] };
        for image in desired {
            let Some(stand_in) = stand_in(image) else { continue };
            if tags.put.contains(&stand_in.of) || exists(stand_in.of)? || !exists(stand_in.image)? {
                continue;
            }
            let docker = Program::new("docker", "give the stand-in the name that docker-topo looks for")?;
            docker.args(["image", "tag", stand_in.image, stand_in.of]).read()?;
            tags.put.push(stand_in.of);
        }
        Ok(tags)
    }

    /// Takes from stand-ins what an earlier run left on them that was killed. An image that is not ours keeps its name.
    pub fn remove_left_over() -> Result<()> {
        for stand_in in &STAND_INS {
            if exists(stand_in.image)? && stands_in_for(stand_in.of)?.is_some() {
                remove(stand_in.of)?;
            }
        }
        Ok(())
    }

    /// The end that may fail and say so.
    pub fn remove(mut self) -> Result<()> {
        std::mem::take(&mut self.put).into_iter().try_for_each(remove)
    }
}

impl Drop for Tags {
    fn drop(&mut self) {
        for tag in &self.put {
            // What stays, the next `remove_left_over` takes.
            let _ = remove(tag);
        }
    }
}

fn remove(tag: &str) -> Result<()> {
    let docker = Program::new("docker", "take docker-topo's name from the stand-in")?;
    docker.args(["image", "rm", tag]).read().map(drop).with_context(|| format!("{tag} is still a name of the stand-in"))
}
