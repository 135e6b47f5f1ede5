//! Test topologies: docker-topo's file format, and devices in containers that are wired as a file says.
//!
//! 1. [`Topology::load`] reads a file into devices and links, or says what is wrong with it ([`format`]).
//! 2. [`Lab::raise`] makes a container of each device, fills the switches' flash, starts them and wires the
//!    links ([`lab`]). [`Lab::attach`] finds a lab that is up, [`Lab::destroy`] takes it away.
//! 3. A [`Device`] is what a test holds on to: commands, files, reboot, power cut.
//!
//! [`export`] writes a topology for another program.
//!
//! Needs root on the machine that the Docker engine runs on: cables are made between the containers' network
//! namespaces.

pub mod export;
pub mod format;
pub mod lab;

pub use format::Topology;
pub use lab::{Device, Flash, Lab};
