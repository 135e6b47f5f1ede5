//! What etcdctl prints, and an etcd for the tests of the modules beside this one.

pub mod server;

use super::*;

#[test]
fn both_releases_of_etcd_are_understood() {
    let of_3_4 = r#"[{"Endpoint":"https://127.0.0.1:2379","Status":{"header":{"cluster_id":17237436991929493444,
        "member_id":9372538179322589801,"revision":812,"raft_term":4},"version":"3.4.23","dbSize":25165824,
        "leader":9372538179322589801,"raftIndex":900,"raftTerm":4,"raftAppliedIndex":900,"dbSizeInUse":1277952}}]"#;
    let size = 25_165_824;
    assert_eq!(status(of_3_4), Some(EtcdStatus { revision: 812, size, in_use: Some(1_277_952) }));
    let of_3_3 = r#"[{"Endpoint":"127.0.0.1:2379","Status":{"header":{"cluster_id":1,"member_id":2,"revision":7,
        "raft_term":2},"version":"3.3.10","dbSize":24576,"leader":2,"raftIndex":9,"raftTerm":2}}]"#;
    assert_eq!(status(of_3_3), Some(EtcdStatus { revision: 7, size: 24576, in_use: None }));
    assert_eq!(status("[]"), None);
}

#[test]
fn a_database_that_is_nearly_full_is_remarked_on() {
    assert_eq!(outlook(400 << 20), None);
    let said = outlook(420 << 20).unwrap();
    assert!(said.starts_with("etcd's database has 420 MiB of the 512") && said.contains("etcd defrag"), "{said}");
}
