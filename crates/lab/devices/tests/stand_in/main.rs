//! The EOS stand-in and the end host as they are: images made, topologies brought up, commands run on them.

#![allow(clippy::print_stderr, clippy::unwrap_used)]

mod drivers;
mod end_hosts;
mod extensions;
mod hands_off;
mod links;
mod one_switch;
mod over_ssh;
mod support;
mod three_switches;
mod traits;
