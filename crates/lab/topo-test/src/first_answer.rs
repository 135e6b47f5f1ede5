//! When a host gets its first answer from a Service whose objects an operator applies while the cluster still comes up.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Result;
use devices::Device;
use proof::{Switch, manifest};

use crate::{
    Recorder, asking,
    scene::{Interrupted, eventually},
};

const NAME: &str = "first-answer";
const NODE_PORT: u16 = 31080;

const MANIFEST: &str = include_str!("manifests/first-answer.yaml");

pub struct Asker<'a> {
    pub master: Switch<'a>,
    pub host: Device<'a>,
    /// The switch that is asked: its address.
    pub address: Ipv4Addr,
    pub recorder: &'a Recorder<'a>,
    pub interrupted: &'a Interrupted,
    pub limit: Duration,
}

impl Asker<'_> {
    /// Applies the objects as soon as the API server takes them, asks, and returns the moment of the first answer.
    pub fn apply_and_ask(&self) -> Result<f64> {
        eventually(self.interrupted, "the API server takes the objects", self.limit, || {
            manifest::apply(&self.master, NAME, MANIFEST)
        })?;
        let to = (self.address, NODE_PORT).into();
        eventually(self.interrupted, "the Service answers", self.limit, || asking::by_tcp(&self.host, to))?;
        Ok(self.recorder.now())
    }

    /// Takes the objects away.
    pub fn clean_up(&self) -> Result<()> {
        manifest::delete(&self.master, NAME)
    }
}
