//! What every crate of the toolkit shares, and nothing that only one of them needs.
//!
//! - [`arch`]: the one type that knows an architecture's name in Go, Rust, RPM, Debian and ELF
//! - [`digest`]: SHA-256 digests of bytes, files and whole trees
//! - [`files`]: files that are there whole or not at all, trees copied and removed
//! - [`mounts`]: what is mounted where
//! - [`netns`]: work in another network namespace
//! - [`command`]: programs run as argument lists, with a log and an error that says enough
//! - [`progress`]: the sink that libraries report to; they never print

pub mod arch;
pub mod command;
pub mod digest;
pub mod files;
pub mod mounts;
pub mod netns;
pub mod progress;
mod removal;

pub use arch::Arch;
pub use digest::Sha256;
pub use progress::Progress;
