//! Pinned sources: fetched, verified, unpacked and patched.
//!
//! 1. A [`Fetcher`] asks a source's origins in order, or takes the tree that the user gives, and
//!    puts what it gets into the [`Store`] under its digest. The answer is a [`Fetched`]: a small
//!    value that names the blobs and who gave them.
//! 2. [`unpack`] makes a tree of it, from blobs that it has verified and from nothing else.
//! 3. [`patch`] applies a series of patches to the tree, tries one, or rewrites one for a new tree.
//!
//! Nothing here prints: what a user should know goes to a [`common::Progress`].

mod archive;
mod debian;
mod error;
mod fetch;
mod fetched;
mod git;
mod https;
mod local;
pub mod patch;
mod store;
mod unpack;
mod watch;

pub use debian::may_have_suite as may_have_debian_suite;
pub use error::{NoOrigin, NotThatComponent, PinMismatch};
pub use fetch::{FetchMode, Fetcher};
pub use fetched::{Answer, AnsweredBy, BlobFile, Fetched, FetchedPackage, Form};
pub use https::Timeouts;
pub use store::{Partial, Store};
pub use unpack::{PackageFiles, unpack};
