//! The wait for the API server, which the other switches' kubelets and the stages behind this one ask.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use common::retry::{self, Failed};
use contract::Stage;

use super::waiting_for;
use crate::health;

const LIMIT: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(250);

pub fn api_server() -> Result<String> {
    let (begun, mut said) = (SystemTime::now(), String::new());
    retry::until("the API server is healthy", LIMIT, PAUSE, || {
        let Err(error) = health::service("kube-apiserver") else { return Ok(()) };
        waiting_for(Stage::ApiServer, begun, &mut said, "waiting for the API server").map_err(Failed::Stop)?;
        Err(error.context("it does not answer; see `k8s-node logs kube-apiserver`").into())
    })?;
    Ok("the API server answers".into())
}
