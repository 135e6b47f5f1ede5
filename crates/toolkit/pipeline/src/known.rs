//! The keys and entries of a plan's steps, as far as a cache knows them: a step has a key when all that it needs has been made.

use std::collections::BTreeMap;

use anyhow::Result;
use common::Sha256;

use crate::{
    cache::{Cache, CacheEntry, Miss},
    step::{KeyedStep, Step},
};

/// What a cache knows of a step.
#[derive(Debug)]
pub struct Known<'a> {
    pub step: &'a Step,
    /// None while something that it needs is not there.
    pub keyed: Option<KeyedStep<'a>>,
    /// Not verified.
    pub entry: Result<CacheEntry, Miss>,
}

/// What a cache knows of steps that are listed with needs before the steps that need them.
pub fn known<'a>(cache: &Cache, steps: &'a [Step]) -> Vec<Known<'a>> {
    let mut outputs: BTreeMap<&str, Sha256> = BTreeMap::new();
    let look_up = |step: &'a Step| {
        let (keyed, entry) = match step.keyed(|need| outputs.get(need).copied()) {
            Ok(keyed) => {
                let entry = cache.look_up(&keyed);
                (Some(keyed), entry)
            }
            Err(need) => (None, Err(cache.explain_without_key(step, need))),
        };
        if let Ok(entry) = &entry {
            outputs.insert(&step.name, entry.meta.output);
        }
        Known { step, keyed, entry }
    };
    steps.iter().map(look_up).collect()
}

/// The entry of one step, or why there is none.
pub fn entry_of(cache: &Cache, steps: &[Step], name: &str) -> Result<CacheEntry, Miss> {
    let found = known(cache, steps).into_iter().find(|known| known.step.name == name);
    found.map_or(Err(Miss::NotPlanned), |known| known.entry)
}
