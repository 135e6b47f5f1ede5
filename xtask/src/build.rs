//! The verbs of a build. They need the toolkit's crates alone.

mod build_swix;
mod cache;
mod fetch;
mod in_docker;
mod inspect;
mod patch;
mod plan;
pub mod reproduce;
mod selection;
pub mod session;

pub use self::{
    build_swix::BuildSwix, cache::CacheFlags, fetch::Fetch, inspect::Inspect, patch::Patch, plan::PlanFlags,
    reproduce::Reproduce, selection::Selection,
};
