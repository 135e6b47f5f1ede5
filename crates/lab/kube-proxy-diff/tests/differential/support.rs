//! Where the programs are, and a sink that prints.

use std::path::Path;

use common::progress::{Progress, Silent, Task, Unit};
use kube_proxy_diff::{api::Api, programs::Programs};

/// Upstream's programs and ours, and a running API server.
pub fn start() -> (Programs, Api) {
    let programs = programs();
    let api = Api::start(&programs).unwrap();
    (programs, api)
}

pub fn programs() -> Programs {
    Programs::of_dist(&swix::dist::directory(), &Path::new(env!("CARGO_TARGET_TMPDIR")).join("kube-proxy-diff"))
        .unwrap()
}

/// Progress, for whoever runs the tests with `--nocapture`.
pub struct Printed;

impl Progress for Printed {
    fn start(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        Silent.start(name, unit, total)
    }

    fn note(&self, line: &str) {
        println!("{line}");
    }
}
