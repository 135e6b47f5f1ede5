//! The verbs that need the lab's crates, or the switch's.

mod against_upstream;
mod chaos;
pub mod device;
pub mod image;
mod pki;
mod power_cuts;
mod topo;
mod topo_test;

pub use self::{
    against_upstream::AgainstUpstream, chaos::Chaos, device::DeviceFlags, image::ImageFlags, pki::Pki,
    power_cuts::PowerCuts, topo::Topo, topo_test::TopoTest,
};
