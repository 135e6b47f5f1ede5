//! From a release to dist/: the plan, the cache of finished steps, and the steps themselves.
//!
//! 1. [`plan::plan`] turns a [`recipes::Release`] into a list of [`step::Step`]s.
//! 2. [`engine::Engine`] compares each with the [`cache`] and runs what is missing.
//! 3. [`dist::publish`] puts the results into dist/.

pub mod cache;
mod cargo_lock;
mod code;
pub mod dist;
pub mod engine;
pub mod host;
mod inputs;
pub mod known;
pub mod offline;
pub mod origin;
pub mod plan;
pub mod step;

mod date;
mod host_tools;
mod modules;
mod rust_files;
mod work;

pub use rust_files::of_package as files_of_package;
pub use work::cargo_home::for_a_container as cargo_settings_for_a_container;
pub use work::go::find_root as go_root;
pub use work::proof::{LOG as LOG_OF_PROOF, NotBuilt, Proven, shown as shown_by_proof};
