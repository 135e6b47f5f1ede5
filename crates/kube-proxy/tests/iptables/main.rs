//! The iptables backend: what it renders, as golden files and at random; and what it does to real iptables.

mod golden;
mod random;
mod real;
mod states;
mod sync;
mod takeover;
mod tool;
