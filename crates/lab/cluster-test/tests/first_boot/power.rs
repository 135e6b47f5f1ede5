//! What a power cycle must not change, and cuts of the power at random moments.

use cluster_test::power_cuts;
use common::progress::Silent;

use crate::support::{LIMIT, parts};

#[test]
#[ignore = "needs root, a Docker engine and the SWIX"]
fn a_switch_whose_power_is_cut_while_it_boots_is_whole_after_the_next_boot() {
    let seed = fastrand::u64(..);
    let request = power_cuts::PowerCutRequest {
        parts: parts(),
        first_boots: 2,
        later_boots: 1,
        seed,
        latest: None,
        limit: LIMIT,
    };
    let report = power_cuts::run(&request, &Silent).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(report.cuts.len(), 3);
    let failed: Vec<_> = report.failed().collect();
    assert!(failed.is_empty(), "seed {seed}: {failed:#?}");
}
