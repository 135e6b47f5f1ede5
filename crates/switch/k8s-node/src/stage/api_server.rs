//! The wait for the API server, which the other switches' kubelets and the stages behind this one ask.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use common::retry::{self, Failed};
use contract::Stage;

use super::waiting_for;
use crate::health;

const LIMIT: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(250);

pub fn api_server() -> Result<String> {
    let (begun, mut said) = (SystemTime::now(), String::new());
    retry::until("a healthy API server", LIMIT, PAUSE, || {
        let healthy = health::service("kube-apiserver");
        if healthy.is_err() {
            waiting_for(Stage::ApiServer, begun, &mut said, "waiting for the API server").map_err(Failed::Stop)?;
        }
        Ok(healthy?)
    })
    .context("the API server does not answer; see `k8s-node logs kube-apiserver`")?;
    Ok("the API server answers".into())
}
