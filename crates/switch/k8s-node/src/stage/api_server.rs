//! The wait for the API server, which the other switches' kubelets and the stages behind this one ask.

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;
use contract::Stage;

use super::waiting_for;
use crate::health;

const LIMIT: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(250);

pub fn api_server() -> Result<String> {
    let (begun, mut said) = (SystemTime::now(), String::new());
    let deadline = Instant::now() + LIMIT;
    while let Err(error) = health::service("kube-apiserver") {
        if Instant::now() > deadline {
            return Err(error.context("the API server does not answer; see `k8s-node logs kube-apiserver`"));
        }
        waiting_for(Stage::ApiServer, begun, &mut said, "waiting for the API server")?;
        thread::sleep(PAUSE);
    }
    Ok("the API server answers".into())
}
