//! The figures at a small size: every one is measured, for both.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::{path::Path, time::Duration};

use common::progress::{Progress, Silent, Task, Unit};
use kube_proxy_diff::{
    figures::{self, FiguresRequest, Services},
    programs::Programs,
};

#[test]
#[ignore = "needs root, iptables, network namespaces and the SWIX in dist/"]
fn every_figure_is_measured_for_both() {
    let programs =
        Programs::of_dist(&swix::dist::directory(), &Path::new(env!("CARGO_TARGET_TMPDIR")).join("kube-proxy-diff"))
            .unwrap();
    let request = FiguresRequest {
        rounds: 1,
        few: Services { count: 2, endpoints: 3 },
        many: Services { count: 20, endpoints: 3 },
        most: Services { count: 40, endpoints: 4 },
        idle: Duration::from_secs(2),
    };
    let rows = figures::run(&programs, request, &Printed).unwrap();
    assert!(rows.len() > 12, "{rows:?}");
    for row in rows {
        let samples = row.upstream.iter().chain(&row.ours).chain(&row.floor);
        assert!(samples.clone().all(|sample| sample.is_finite()), "{row:?}");
        assert!(!row.upstream.is_empty() && !row.ours.is_empty(), "{row:?}");
    }
}

/// Progress, for whoever runs the test with `--nocapture`.
struct Printed;

impl Progress for Printed {
    fn start(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        Silent.start(name, unit, total)
    }

    fn note(&self, line: &str) {
        println!("{line}");
    }
}
