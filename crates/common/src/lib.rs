//! What every crate of the toolkit shares, and nothing that only one of them needs.
//!
//! - [`arch`]: the one type that knows an architecture's name in Go, Rust, RPM, Debian and ELF
//! - [`digest`]: SHA-256 digests of bytes, files and whole trees
//! - [`errors`]: what failed of several things, told together
//! - [`files`]: files that are there whole or not at all, trees copied and removed
//! - [`lock`]: one at a time, between threads and between processes; who waits is told for whom
//! - [`mounts`]: what is mounted where
//! - [`netlink`]: asking the kernel for links, addresses, neighbours and routes
//! - [`netns`]: work in another network namespace
//! - [`command`]: programs run as argument lists, with a log and an error that says enough
//! - [`output`]: `println!` and its kin, for a reader who may have gone
//! - [`progress`]: the sink that libraries report to; they never print
//! - [`retry`]: trying again what may fail for a while, with a name for what is waited for
//! - [`stop`]: whether whoever waits is to give up
//! - [`terminal`]: secrets that a person types
//! - [`user`]: the user's directories
//! - [`wording`]: what is wrong in a file, without a library's words
//! - [`xtables`]: iptables' lock, and whether somebody has changed the tables

pub mod arch;
pub mod command;
pub mod digest;
pub mod errors;
pub mod files;
pub mod lock;
pub mod mounts;
pub mod netlink;
pub mod netns;
pub mod output;
pub mod progress;
mod removal;
pub mod retry;
pub mod stop;
pub mod terminal;
pub mod user;
pub mod wording;
pub mod xtables;

pub use arch::Arch;
pub use digest::Sha256;
pub use progress::Progress;
