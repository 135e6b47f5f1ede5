//! Where the parts of a lab come from, and waiting.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use cluster_test::{LabSize, NodeLab, Switch, lab::LabParts, workload};
use common::{progress::Silent, retry};
use devices::Flash;

/// How long a bring-up may take where the machine is busy.
pub const LIMIT: Duration = Duration::from_secs(240);

pub const MASTER: &str = "veos-b";

/// A host that is not on a switch.
pub const HOST: &str = "host-c1";

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

pub fn parts() -> LabParts {
    LabParts::of_dist(&repository(), &swix::dist::directory()).unwrap_or_else(|error| panic!("{error:#}"))
}

pub fn up(cluster: LabSize, prefix: &str, flash: &Flash) -> NodeLab {
    NodeLab::up(&repository(), cluster, prefix, flash, &Silent).unwrap_or_else(|error| panic!("{error:#}"))
}

/// A lab whose switches find the test pods' image on their flash, and nothing else that an operator has not.
pub fn up_with_workload(cluster: LabSize, prefix: &str) -> NodeLab {
    let directory = tempfile::tempdir().unwrap();
    let archive = workload::archive(&repository(), directory.path()).unwrap();
    up(cluster, prefix, &workload::on_flash(parts().flash(cluster).unwrap(), &archive))
}

/// Waits until every switch says that it is ready.
pub fn wait_until_ready(lab: &NodeLab) {
    for switch in lab.switches().unwrap() {
        let status = switch.wait_until_ready(LIMIT).unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!((status.node.as_str(), status.complaints().as_str()), (switch.name(), ""));
    }
}

/// Tries again until `attempt` gives something.
pub fn eventually<T>(what: &str, limit: Duration, attempt: impl FnMut() -> Option<T>) -> T {
    attempted(what, limit, attempt).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The same of pods, with what the cluster says of them where they do not come.
pub fn eventually_pods<T>(master: &Switch, what: &str, limit: Duration, attempt: impl FnMut() -> Option<T>) -> T {
    attempted(what, limit, attempt).unwrap_or_else(|error| panic!("{error:#}\n{}", workload::story(master)))
}

fn attempted<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Result<T> {
    retry::until(what, limit, Duration::from_millis(500), || Ok(attempt().context("it is still not so")?))
}
