//! The verbs of a build. They need the toolkit's crates alone, and all but `inspect` not even those of the formats.

mod build_swix;
mod cache;
mod fetch;
mod in_docker;
#[cfg(feature = "formats")]
mod inspect;
mod patch;
mod plan;
pub mod reproduce;
mod selection;
pub mod session;

#[cfg(feature = "formats")]
pub use self::inspect::Inspect;
pub use self::{
    build_swix::BuildSwix, cache::CacheFlags, fetch::Fetch, patch::Patch, plan::PlanFlags, reproduce::Reproduce,
    selection::Selection,
};
