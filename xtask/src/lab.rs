//! The verbs that need the lab's crates, or the switch's.

mod against_upstream;
mod chaos;
mod conformance;
pub mod device;
pub mod image;
mod lab_flags;
mod pki;
mod power_cuts;
mod topo;
mod topo_test;

use std::path::Path;

use anyhow::Result;
use kube_proxy_diff::programs::Programs;
use serde::de::{DeserializeOwned, IntoDeserializer};

pub use self::{
    against_upstream::AgainstUpstream,
    chaos::Chaos,
    conformance::Conformance,
    device::DeviceFlags,
    image::ImageFlags,
    pki::Pki,
    power_cuts::PowerCuts,
    topo::Topo,
    topo_test::{Conduct, TopoTest},
};

/// The programs that kube-proxies are compared with, out of a SWIX of `dist`, in a directory that is the user's own.
pub fn programs(dist: &Path) -> Result<Programs> {
    Programs::of_dist(dist, &pipeline::cache::default_directory()?.join("kube-proxy-diff"))
}

/// A flag's value that a library has a type for, as serde reads it from one word.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, serde::de::value::Error> {
    T::deserialize(text.into_deserializer())
}
