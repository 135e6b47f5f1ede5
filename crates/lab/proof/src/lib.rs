//! The SWIX on labs of stand-ins for EOS: switches that come up as Kubernetes nodes, and what is done to them.
//!
//! 1. [`NodeLab::up`] powers on a topology whose switches have the SWIX and cluster.toml on their flash.
//! 2. A [`Switch`] is asked for its status, waited for, and told to run kubectl.
//! 3. [`state`] judges what is on its flash with openssl.
//! 4. [`residue`] is what the extension must not leave behind.
//! 5. [`manifest`] has objects made, of which [`workload`] is a pod on every switch.
//! 6. [`power_cuts`] cuts the power at random moments and says what came of it.
//!
//! `tests/` holds what a first boot has to do; [`workload`] makes the image that its pods run.

mod identity;
pub mod lab;
pub mod manifest;
pub mod power_cuts;
pub mod residue;
pub mod state;
mod switch;
mod timing;
pub mod workload;

pub use self::{
    identity::ClusterIdentity,
    lab::{LabSize, NodeLab},
    switch::Switch,
    timing::{StageTimes, age_of_first_process},
};
