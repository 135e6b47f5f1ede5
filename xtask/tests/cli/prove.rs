//! `audit --prove` says what it cannot show before it begins.

use crate::support::{assert_says, end, refused, xtask};

#[test]
fn what_no_statement_says_is_fixed_is_not_shown_and_nothing_is_made() {
    let cache = tempfile::tempdir().unwrap();
    let said = refused(xtask(cache.path()).args(["audit", "--prove", "CVE-2026-73500", "--prove", "CVE-1999-0001"]));
    assert_says(&said, &["no statement says that CVE-1999-0001 is fixed"]);
    assert!(!cache.path().join("steps/fetch-etcd").exists(), "it began with the other");
}

#[test]
fn it_is_another_thing_than_to_write_what_is_known() {
    let cache = tempfile::tempdir().unwrap();
    let ended = end(xtask(cache.path()).args(["audit", "--prove", "all", "--write"]));
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert_says(&ended.err, &["--prove", "--write"]);
    let ended = end(xtask(cache.path()).args(["audit", "--offline"]));
    assert_says(&ended.err, &["--prove"]);
}
