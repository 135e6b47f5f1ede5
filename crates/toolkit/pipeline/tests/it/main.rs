//! The engine and the cache on steps that need no compiler: a source that is given, and unpacked. `packed` goes on to dist/.

#![allow(clippy::unwrap_used)]

mod damage;
mod dist;
mod engine;
mod killed;
mod packed;
mod plan;
mod proof;
mod support;
mod together;
