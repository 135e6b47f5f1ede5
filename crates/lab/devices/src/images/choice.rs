//! Which image a device runs: the real one, or the stand-in for it. It is chosen once for a lab, and held on to by its
//! digest: another process may give its name to another image at any time.

use std::collections::BTreeMap;

use anyhow::Result;
use topology::images::{StandIn, stand_in};

use super::engine;

/// An image by what it is called and by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub name: String,
    pub id: String,
}

/// What there is of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Image(Image),
    /// Neither the image nor a stand-in; says what to do.
    Missing {
        advice: String,
    },
}

/// The stand-ins that a run has made, and keeps to while other runs make theirs. For the rest it takes what bears the
/// stand-in's name.
#[derive(Debug, Clone, Default)]
pub struct StandIns {
    made: BTreeMap<String, Image>,
}

impl FromIterator<Image> for StandIns {
    fn from_iter<I: IntoIterator<Item = Image>>(images: I) -> Self {
        StandIns { made: images.into_iter().map(|image| (image.name.clone(), image)).collect() }
    }
}

impl StandIns {
    fn find(&self, stand_in: &StandIn) -> Result<Option<Image>> {
        if let Some(made) = self.made.get(stand_in.image) {
            return Ok(engine::find(&made.id)?.map(|_| made.clone()));
        }
        let found = engine::find(stand_in.image)?;
        Ok(found.map(|found| Image { name: stand_in.image.to_owned(), id: found.id }))
    }
}

/// The image of that name where Docker has it, else its stand-in. A stand-in that bears the real image's name does so for
/// docker-topo, in a run that may be another.
pub(crate) fn choose(desired: &str, stand_ins: &StandIns) -> Result<Choice> {
    let stand_in = stand_in(desired);
    let found = engine::find(desired)?;
    if let Some(real) = found.filter(|found| stand_in.is_none() || found.stands_in_for().is_none()) {
        return Ok(Choice::Image(Image { name: desired.to_owned(), id: real.id }));
    }
    let Some(stand_in) = stand_in else {
        return Ok(Choice::Missing {
            advice: format!("bring it with `docker load` or `docker import FILE {desired}`"),
        });
    };
    if let Some(image) = stand_ins.find(stand_in)? {
        return Ok(Choice::Image(image));
    }
    let advice = format!("bring the real one with `docker load`, or make its stand-in: {}", stand_in.made_by);
    Ok(Choice::Missing { advice })
}
