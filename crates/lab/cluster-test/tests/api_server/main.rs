//! The API server out of the SWIX with the flags of its unit, on a master's real PKI: whom it refuses, and what it writes down.

#![allow(clippy::unwrap_used)]

mod aggregated;
mod audit;
mod client;
mod master;
mod revoked;
