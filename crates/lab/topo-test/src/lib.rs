//! The SWIX proved end to end on a topology of switches and hosts.
//!
//! 1. A [`Scenario`] has a name, a purpose, what has to have passed before it, and a function that acts on a [`Scene`]
//!    step by step; [`scenarios::ALL`] is the table of them, in the order in which they are run.
//! 2. [`select`](scenario::select) takes some of them, with all that they need.
//! 3. [`engine::run`] plays them, one after the other, on a lab that is up, and tells an [`Observer`] what happens.
//! 4. What happened is a [`record::Run`], which [`report`] writes for people and for machines.

mod answering;
mod asking;
mod asymmetry;
pub mod describe;
pub mod engine;
mod extension;
mod invalid;
pub mod logs;
pub mod look;
mod neighbours;
mod operator;
mod ospf;
pub mod passing;
mod pinging;
pub mod record;
pub mod recorder;
pub mod report;
pub mod scenario;
pub mod scenarios;
pub mod scene;

pub use self::{
    recorder::{Observer, Recorder},
    scenario::Scenario,
    scene::{Parts, Scene},
};
