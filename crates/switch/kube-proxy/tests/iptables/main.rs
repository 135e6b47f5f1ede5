//! The iptables backend: what it renders, as golden files and at random; and what it does to real iptables.

#![allow(clippy::unwrap_used)]

mod conntrack;
mod fuzzed;
mod golden;
mod invalid;
mod kubelets;
mod metrics;
mod objects;
mod properties;
mod random;
mod real;
mod restore;
mod states;
mod sync;
mod takeover;
mod tool;
mod transit;
