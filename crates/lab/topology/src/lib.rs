//! Test topologies: docker-topo's file format, read and checked ([`format`](mod@format)), and written for other programs ([`export`]).
//!
//! [`Topology::load`] reads a file into devices and links, or says what is wrong with it. What brings them up is `devices`.

pub mod export;
pub mod format;
pub mod images;

pub use format::Topology;
