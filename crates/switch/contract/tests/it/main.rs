//! What cannot import the contract is held against it: scripts, units, scriptlets, recipes. And what can has no copy of its own.

#![allow(clippy::unwrap_used)]

mod copies;
mod first_boot;
mod paths;
mod ports;
mod repository;
mod status;
mod units;
