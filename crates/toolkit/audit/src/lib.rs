//! Known vulnerabilities against what a build ships.
//!
//! - [`version`]: versions and ranges of them, as Go and Cargo order them
//! - [`table`]: the vulnerabilities that are known, from `security/vulnerabilities`
//! - [`osv`]: the same from files in OSV's format, which somebody gives
//! - [`bill`]: the parts of a bill of materials, and which programs each is in
//! - [`statements`]: what the project says of each vulnerability, from `security/statements`
//! - [`evidence`]: what was built, which a statement is held against
//! - [`check`]: what a machine can look at
//! - [`source`]: whether what a check names is in the sources at all
//! - [`judgement`]: the vulnerabilities that the bill has, each with its statement, and what is wrong
//! - [`vex`]: the same as OpenVEX
//! - [`status`]: the same for people
//!
//! Nothing here asks a network.

pub mod bill;
pub mod check;
pub mod evidence;
pub mod judgement;
pub mod osv;
pub mod source;
pub mod statements;
pub mod status;
pub mod table;
pub mod version;
pub mod vex;
