//! What the switch is given, written and read back: programs -> squashfs image -> RPM -> SWIX.
//!
//! - [`elf`]: what an executable is, and whether it is what a switch of an architecture can run
//! - [`tree`]: files, links and directories on their way into an image or a package
//! - [`squashfs`]: the read-only image of the programs
//! - [`rpm`]: the package that carries the image and the few files beside it
//! - [`archive`]: the archive that EOS installs, with its manifest
//! - [`extension`]: our package: its names, its places on the switch, its scriptlets
//! - [`bill`]: the bill of materials, held against the programs that it is about
//! - [`dist`]: where a build publishes, and the newest SWIX there
//! - [`release`]: what an image says about itself, shared by its writer and its reader
//! - [`packing`]: what the pipeline has packed, by the program `swix-pack`
//! - [`inspect`](mod@inspect): a SWIX verified to its last byte, and a report of what is in it
//! - [`difference`]: what another SWIX brings
//! - [`signature`]: Arista's signature, made and verified
//!
//! Without the feature `formats` there is only what it takes to plan a build and to order its packing.
//!
//! Everything written is a function of what goes in and of a [`SourceDate`]: the machine, its clock,
//! its users and its number of processors leave no trace.

#[cfg(feature = "formats")]
pub mod archive;
pub mod bill;
#[cfg(feature = "formats")]
pub mod difference;
pub mod dist;
pub mod elf;
#[cfg(feature = "formats")]
pub mod extension;
#[cfg(feature = "formats")]
pub mod inspect;
pub mod packing;
pub mod release;
#[cfg(feature = "formats")]
pub mod rpm;
#[cfg(feature = "formats")]
pub mod signature;
#[cfg(feature = "formats")]
pub mod squashfs;
pub mod tree;

use serde::{Deserialize, Serialize};

/// The time that everything in a bundle bears, in seconds since 1970: that of the sources, not of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceDate(pub u32);
