//! What would become of a packet: `iptables-save`'s text, followed as the kernel would.
//!
//! [`Rules::parse`] takes nothing on trust: a match or target that it does not know is an error, because a rule that is
//! skipped could be the one that matters. [`Rules::simulate`] follows the first packet of a connection through nat and
//! filter and says with which probability it ends where.

mod kernel;
mod outcome;
mod packet;
mod rule;
mod table;
#[cfg(test)]
mod tests;

pub use self::{
    outcome::{Distribution, Outcome, Stickiness, Verdict, same},
    packet::Packet,
    table::Rules,
};
