//! Enrolment over real sockets and real TLS. The other side is either this crate's own or `peer`, which was written
//! from the description of the protocol and shares no code with the crate.

#![allow(clippy::unwrap_used)]

mod addresses;
mod by_key;
mod enrolling;
mod interruptions;
mod limits;
mod middle;
mod peer;
mod places;
mod random;
mod secrets;
mod strangers;
mod support;
