//! The SWIX proved on labs of switches and hosts: a switch's first boots by themselves, and a cluster end to end.
//!
//! 1. A [`Scenario`] has a name, a purpose, what has to have passed before it, and a function that acts on a [`Scene`]
//!    step by step; a [`Suite`] is a table of them, in the order in which they are run, of which a run may take some.
//! 2. What a scenario wants that is not there is known before anything is brought up: [`wants`].
//! 3. [`engine::run`] plays them, one after the other, on a lab that is up, and tells an [`Observer`] what happens. Each has a
//!    limit, and a namespace of its own for its objects.
//! 4. What happened is a [`record::Run`], which [`report`] writes for people and for machines.
//! 5. [`recording`] is what the first release left on its switches' flash, for those that prove that it is taken over.
//! 6. A [`Switch`] is asked for its status, waited for, and told to run kubectl; [`state`] judges what is on its flash with
//!    openssl, [`residue`] is what the extension must not leave behind.

mod answering;
mod asking;
mod asymmetry;
pub mod cluster_file;
pub mod describe;
pub mod engine;
mod extension;
mod identity;
mod invalid;
pub mod limited;
pub mod logs;
pub mod look;
mod manifest;
mod names;
pub mod neighbours;
mod operator;
mod ospf;
pub mod passing;
mod pinging;
pub mod power_cuts;
pub mod record;
pub mod recorder;
mod recording;
pub mod report;
mod residue;
pub mod scenario;
pub mod scenarios;
pub mod scene;
pub mod state;
mod switch;
mod timing;
pub mod wants;
pub mod workload;

pub use self::{
    identity::ClusterIdentity,
    recorder::{Observer, Recorder},
    scenario::{Scenario, Suite},
    scene::{Parts, Scene},
    switch::Switch,
};
