//! The health check node ports of Services, which load balancers ask.

use std::{net::SocketAddrV4, time::Duration};

use anyhow::Result;
use serde_json::Value;
use ureq::Agent;

use crate::{addresses::Vantage, world::World};

const TIMEOUT: Duration = Duration::from_secs(2);

/// What a load balancer sees.
#[derive(Debug, Clone, PartialEq)]
pub enum HealthCheck {
    Closed,
    Answer { status: u16, body: Value },
}

/// Asks from outside.
pub fn ask(world: &World, at: SocketAddrV4) -> Result<HealthCheck> {
    world.netns(Vantage::Outside(0))?.enter(|| {
        let config = Agent::config_builder().proxy(None).http_status_as_error(false).timeout_global(Some(TIMEOUT));
        let Ok(mut answer) = config.build().new_agent().get(format!("http://{at}/")).call() else {
            return Ok(HealthCheck::Closed);
        };
        let text = answer.body_mut().read_to_string()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(HealthCheck::Answer { status: answer.status().as_u16(), body })
    })?
}
