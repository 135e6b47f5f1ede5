//! The EOS stand-in and the end host as they are: images made, topologies raised, commands run on them.

mod extensions;
mod one_switch;
mod support;
mod three_switches;
