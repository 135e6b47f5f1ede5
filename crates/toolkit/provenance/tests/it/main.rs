//! dist/ of a small build, signed and verified; damaged, forged and incomplete in every way that there is a word for.

#![allow(clippy::unwrap_used)]

mod dist;
mod forged;
mod in_toto;
mod keys;
#[path = "../../../swix/tests/support/mod.rs"]
mod support;
mod whole;
