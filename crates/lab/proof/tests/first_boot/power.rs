//! What a power cycle must not change, and cuts of the power at random moments.

use common::progress::Silent;
use proof::{NodeLab, power_cuts, state::State};

use crate::support::{LIMIT, MASTER, parts};

/// Which cluster this is.
#[derive(Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    authority: String,
    kube_system: String,
}

impl ClusterIdentity {
    pub fn of(lab: &NodeLab) -> ClusterIdentity {
        let master = lab.switch(MASTER).unwrap();
        let namespace =
            master.kubectl(&["get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}"]).unwrap();
        assert!(!namespace.is_empty());
        ClusterIdentity {
            authority: State::copy_of(&master).unwrap().ca_fingerprint().unwrap(),
            kube_system: namespace,
        }
    }
}

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
