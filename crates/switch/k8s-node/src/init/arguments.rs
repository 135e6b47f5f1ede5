//! The flags of `k8s-node init`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use lexopt::prelude::*;

use super::{plan::Plan, usual_file};

pub const HELP: &str =
    "    --master NAME=ADDRESS               the switch that runs the control plane: its hostname, its loopback address
    --worker NAME=ADDRESS               another switch; once for each
    --no-pods-on-master                 the master runs no pods
    --pod-network RANGE                 [default: 10.16.0.0/16]
    --service-network RANGE             [default: 10.10.0.0/22]
    --name NAME, --domain DOMAIN        of the cluster [default: kubernetes, cluster.local]
    --eos-memory AMOUNT                 of each switch, what pods are not given, for EOS [default: 2048Mi]
    --eos-cpu AMOUNT                    the same of its processors [default: 500m]
    --force                             write over a file that is there
";

#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub file: PathBuf,
    pub force: bool,
    /// None where the operator is to be asked.
    pub plan: Option<Plan>,
}

/// What follows the verb; none where help is asked for.
pub fn read(parser: &mut lexopt::Parser) -> Result<Option<Options>> {
    let (mut file, mut force, mut plan) = (None, false, Plan::default());
    let text = |parser: &mut lexopt::Parser| -> Result<String> { Ok(parser.value()?.string()?) };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("force") => force = true,
            Long("no-pods-on-master") => plan.master_is_worker = false,
            Long("master") if plan.master.is_some() => bail!("--master stands twice: there is one for now"),
            Long("master") => plan.master = Some(text(parser)?.parse()?),
            Long("worker") => plan.workers.push(text(parser)?.parse()?),
            Long("pod-network") => plan.pod_network = text(parser)?,
            Long("service-network") => plan.service_network = text(parser)?,
            Long("name") => plan.name = text(parser)?,
            Long("domain") => plan.domain = text(parser)?,
            Long("eos-memory") => plan.eos_memory = text(parser)?,
            Long("eos-cpu") => plan.eos_cpu = text(parser)?,
            Value(value) if file.is_none() => file = Some(PathBuf::from(value)),
            other => return Err(other.unexpected().into()),
        }
    }
    let plan = match plan {
        plan if plan.master.is_some() => Some(plan),
        plan if plan == Plan::default() => None,
        _ => bail!("--master NAME=ADDRESS is missing; without any flag you are asked"),
    };
    Ok(Some(Options { file: file.unwrap_or_else(usual_file), force, plan }))
}
