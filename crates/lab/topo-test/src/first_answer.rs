//! When a host gets its first answer from a Service whose objects an operator applies while the cluster still comes up.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use devices::Device;
use proof::Switch;

use crate::{Recorder, asking, manifest};

const NAME: &str = "first-answer";
const NODE_PORT: u16 = 31080;
const INTERVAL: Duration = Duration::from_millis(500);

const MANIFEST: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: first-answer, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: first-answer}}
  template:
    metadata: {labels: {app: first-answer}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: probe, image: "example.com/probe:1", imagePullPolicy: Never, args: [serve, "8080"]}
---
apiVersion: v1
kind: Service
metadata: {name: first-answer, namespace: default}
spec:
  type: NodePort
  selector: {app: first-answer}
  ports: [{port: 80, targetPort: 8080, nodePort: 31080}]
"#;

pub struct Asker<'a> {
    pub master: Switch<'a>,
    pub host: Device<'a>,
    /// The switch that is asked: its address.
    pub address: Ipv4Addr,
    pub recorder: &'a Recorder<'a>,
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
    pub limit: Duration,
}

impl Asker<'_> {
    /// Applies the objects as soon as the API server takes them, asks, and returns the moment of the first answer.
    pub fn apply_and_ask(&self) -> Result<f64> {
        self.until_it_succeeds("the API server takes the objects", || manifest::apply(&self.master, NAME, MANIFEST))?;
        let to = (self.address, NODE_PORT).into();
        self.until_it_succeeds("the Service answers", || asking::by_tcp(&self.host, to).map(drop))?;
        Ok(self.recorder.now())
    }

    /// Takes the objects away.
    pub fn clean_up(&self) -> Result<()> {
        manifest::delete(&self.master, NAME)
    }

    fn until_it_succeeds(&self, what: &str, mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
        let began = Instant::now();
        loop {
            let Err(error) = attempt() else { return Ok(()) };
            if began.elapsed() > self.limit || (self.interrupted)() {
                return Err(error)
                    .with_context(|| format!("{what}: not within {:.0} s", began.elapsed().as_secs_f64()));
            }
            thread::sleep(INTERVAL);
        }
    }
}
