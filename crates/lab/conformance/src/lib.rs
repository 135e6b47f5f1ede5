//! Upstream's own end-to-end suite, run against a cluster of switches.
//!
//! 1. [`images`] makes stand-ins for the images that the suite's own list names, and puts them into each switch's Docker.
//! 2. [`nodes`] waits until the switches are the nodes of one cluster.
//! 3. [`Suite`] says which specs a run is of, and runs them from a host's network: those that have to be alone after the others.
//! 4. [`Report`] is what came of each spec, as JUnit's XML and as a table.
//!
//! Which specs there are only the suite knows: nothing here names one.

pub mod images;
mod junit;
mod news;
pub mod nodes;
mod report;
mod suite;

pub use self::{
    report::{Circumstances, Outcome, Report, Spec},
    suite::{Programs, Request, Suite},
};
