//! docker-topo's names on stand-ins, while it works. Whoever puts or removes them holds their lock.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use common::errors;
use topology::images::{STAND_INS, stand_in};

use super::{Image, engine};

/// Stand-ins that bear the real images' names, until this is dropped.
#[derive(Debug)]
pub(crate) struct Tags {
    put: Vec<Tag>,
}

#[derive(Debug)]
struct Tag {
    name: &'static str,
    /// The stand-in's.
    id: String,
}

impl Tags {
    /// Gives each stand-in the name in whose place it was chosen. A real image that has come meanwhile keeps it.
    pub(crate) fn put(chosen: &BTreeMap<String, Image>) -> Result<Tags> {
        let mut tags = Tags { put: vec![] };
        for (desired, image) in chosen.iter().filter(|(desired, image)| **desired != image.name) {
            let Some(stand_in) = stand_in(desired) else { continue };
            if engine::find(stand_in.of)?.is_some_and(|found| found.stands_in_for().is_none()) {
                continue;
            }
            engine::tag(&image.id, stand_in.of)?;
            tags.put.push(Tag { name: stand_in.of, id: image.id.clone() });
        }
        Ok(tags)
    }

    /// Takes from stand-ins what an earlier run left on them that was killed. An image that is not ours keeps its name.
    pub(crate) fn remove_left_over() -> Result<()> {
        errors::all(STAND_INS.iter().map(|stand_in| {
            let found = engine::find(stand_in.of)?.filter(|found| found.stands_in_for().is_some());
            // Who has taken the stand-in's own name away may mean to keep this one.
            match found {
                Some(found) if engine::find(stand_in.image)?.is_some() => {
                    remove(&Tag { name: stand_in.of, id: found.id })
                }
                _ => Ok(()),
            }
        }))
    }

    /// The end that may fail and say so.
    pub(crate) fn remove(mut self) -> Result<()> {
        errors::all(std::mem::take(&mut self.put).iter().map(remove))
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

fn remove(tag: &Tag) -> Result<()> {
    engine::untag(tag.name, &tag.id).with_context(|| format!("{} is still a name of the stand-in", tag.name))
}

#[cfg(test)]
mod tests {
    use topology::images::HOST;

    use super::*;
    use crate::{
        images::{Choice, StandIns, choose, engine::STAND_IN_LABEL, test_image::TestImage},
        lock,
    };

    #[test]
    #[ignore = "needs root and a Docker engine"]
    fn docker_topo_s_name_is_a_stand_in_s_while_it_works_and_a_real_image_that_comes_meanwhile_keeps_it() {
        let _alone = lock::of_tags().unwrap();
        let id_of = |name: &str| engine::find(name).unwrap().map(|found| found.id);
        let real = engine::find(HOST).unwrap().filter(|found| found.stands_in_for().is_none());
        assert_eq!(real, None, "this test needs a machine without a real {HOST}");
        let image = |name: &str, label: &str| {
            let name = format!("kubernetes-on-eos/test-{name}:{}", std::process::id());
            TestImage::new(&name, &format!("LABEL {label}=test"))
        };
        let (ours, others) = (image("ours", STAND_IN_LABEL), image("others", STAND_IN_LABEL));
        let real = image("real", "real");
        let name = stand_in(HOST).unwrap().image.to_owned();
        let stand_ins = StandIns::from_iter([Image { name, id: ours.id.clone() }]);
        let chosen = || match choose(HOST, &stand_ins).unwrap() {
            Choice::Image(image) => image,
            Choice::Missing { advice } => panic!("{advice}"),
        };

        // Another run's docker-topo is at work, or was and is dead.
        engine::tag(&others.id, HOST).unwrap();
        assert_eq!(chosen().id, ours.id);
        let images = BTreeMap::from([(HOST.to_owned(), chosen())]);
        let tags = Tags::put(&images).unwrap();
        assert_eq!(id_of(HOST).as_ref(), Some(&ours.id));
        tags.remove().unwrap();
        assert_eq!(id_of(HOST), None);

        let tags = Tags::put(&images).unwrap();
        engine::tag(&real.id, HOST).unwrap();
        tags.remove().unwrap();
        assert_eq!(id_of(HOST).as_ref(), Some(&real.id));
        drop(Tags::put(&images).unwrap());
        Tags::remove_left_over().unwrap();
        assert_eq!(id_of(HOST).as_ref(), Some(&real.id));
        assert_eq!(chosen(), Image { name: HOST.to_owned(), id: real.id.clone() });
    }
}
