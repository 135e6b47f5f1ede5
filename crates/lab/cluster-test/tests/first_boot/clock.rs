//! A clock that was wrong and has been repaired. The containers have the machine's clock, which no test may set; what a switch
//! leaves on its flash while its clock is ahead is made here by the same code, told that time.

use std::time::{Duration, SystemTime};

use cluster::pki;
use cluster_test::{LabSize, state::State};

use crate::support::{MASTER, parts, repository, up, wait_until_ready};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[test]
#[ignore = "needs root, a Docker engine and the SWIX"]
fn certificates_of_a_clock_that_was_a_year_ahead_are_issued_again_for_the_same_authority() {
    let text = std::fs::read_to_string(repository().join("topo/cluster-one.toml")).unwrap();
    let cluster = cluster::Cluster::parse(&text, "cluster-one.toml").unwrap();
    let made = tempfile::tempdir().unwrap();
    let ahead = pki::whole_cluster(made.path(), &cluster, None, SystemTime::now() + YEAR).unwrap();
    let mut flash = parts().flash(LabSize::OneSwitch).unwrap();
    for file in ahead[0].directory.read_dir().unwrap() {
        let file = file.unwrap();
        flash = flash.with_file(format!("k8s/pki/{}", file.file_name().display()), file.path());
    }
    let key = std::fs::read(ahead[0].directory.join("ca-key.pem")).unwrap();

    let lab = up(LabSize::OneSwitch, "test-clock", &flash);
    wait_until_ready(&lab);
    let switch = lab.switch(MASTER).unwrap();
    State::copy_of(&switch).unwrap().check().unwrap();
    assert_eq!(switch.exec(["cat", &format!("{}/ca-key.pem", contract::places::PKI)]).unwrap().stdout, key);
    let pki = switch.status().unwrap().stages.into_iter().find(|stage| stage.stage == "pki").unwrap();
    let line = pki.record.line;
    assert!(line.contains("renewed ") && line.contains("not valid before"), "{line}");
}
