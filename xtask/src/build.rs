//! The verbs of a build. They need the toolkit's crates alone, and all but `audit`, `inspect`, `diff`, `sign`, `sign-dist` and `verify`
//! not even those of the formats.

#[cfg(feature = "formats")]
mod audit;
mod build_swix;
mod cache;
#[cfg(feature = "formats")]
mod diff;
mod fetch;
pub mod first_release;
mod in_docker;
#[cfg(feature = "formats")]
mod inspect;
mod locks;
mod outdated;
mod patch;
mod plan;
pub mod reproduce;
mod selection;
pub mod session;
#[cfg(feature = "formats")]
mod sign;
#[cfg(feature = "formats")]
mod sign_dist;
mod update;
#[cfg(feature = "formats")]
mod verify;

#[cfg(feature = "formats")]
pub use self::{audit::Audit, diff::Diff, inspect::Inspect, sign::Sign, sign_dist::SignDist, verify::Verify};
pub use self::{
    build_swix::BuildSwix, cache::CacheFlags, fetch::Fetch, first_release::FirstRelease, outdated::Outdated,
    patch::Patch, plan::PlanFlags, reproduce::Reproduce, selection::Selection, update::Update,
};
