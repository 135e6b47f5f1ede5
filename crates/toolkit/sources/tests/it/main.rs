//! The crate from outside: a small server in place of the network, small repositories and trees.

#![allow(clippy::unwrap_used)]

mod debian;
mod git;
mod https;
mod local;
mod locked;
mod origins;
mod patches;
mod server;
mod support;
