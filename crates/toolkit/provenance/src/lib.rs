//! How dist/ was made, told so that another machine can hold it against what it got: docs/provenance.md.
//!
//! - [`statement`]: the SLSA provenance as a build writes it, and as it is read
//! - [`signature`]: minisign's detached signatures and keys. Arista's signature of a SWIX, which EOS verifies, is another
//!   thing: `swix::signature`
//! - [`verification`]: dist/ held against its digests, its provenance and its signatures
//!
//! Without the feature `verify` there is only the statement, which is what a build needs.

#[cfg(feature = "verify")]
pub mod signature;
pub mod statement;
#[cfg(feature = "verify")]
pub mod verification;

/// The list of digests that `sha256sum -c` reads.
pub const SUMS: &str = "SHA256SUMS";

/// How the file of a statement ends.
pub const STATEMENT: &str = ".provenance.json";

/// What minisign puts behind the name of a file for its signature.
pub const SIGNATURE: &str = ".minisig";
