//! What somebody put there and listed, so that the digests are right: only a signature shows it, or what the files say of each other.

use std::fs;

use provenance::SUMS;

use crate::{
    dist::{Dist, KUBECTL, MADE, SBOM, SWIX},
    support,
};

const OTHER: &str = "kubernetes-on-eos-1.20.2-other.provenance.json";

#[test]
fn a_list_that_was_written_anew_shows_nothing_without_a_key_and_is_refused_with_one() {
    let dist = Dist::new();
    let public = dist.sign("ours");
    dist.write(KUBECTL, "another program");
    dist.state(MADE, &[SWIX, SBOM, KUBECTL], support::build(1, "a"));
    dist.list();
    dist.verify().unwrap();
    let error = dist.refused_by(&public);
    assert!(error.starts_with("SHA256SUMS.minisig is not the signature of this SHA256SUMS"), "{error}");
}

#[test]
fn a_signature_by_another_key_is_none() {
    let dist = Dist::new();
    let ours = dist.sign("ours");
    dist.sign("another");
    let error = dist.refused_by(&ours);
    assert!(error.starts_with("SHA256SUMS.minisig is by another key than ") && error.contains("ours.pub"), "{error}");
}

#[test]
fn what_is_not_signed_is_named() {
    let dist = Dist::new();
    let public = dist.sign("ours");
    fs::remove_file(dist.at(&format!("{MADE}.minisig"))).unwrap();
    assert!(dist.refused_by(&public).starts_with(&format!("{MADE} is not signed")), "{}", dist.refused_by(&public));
    fs::remove_file(dist.at("SHA256SUMS.minisig")).unwrap();
    assert!(dist.refused_by(&public).starts_with("SHA256SUMS is not signed"), "{}", dist.refused_by(&public));
    dist.write("SHA256SUMS.minisig", "whatever\n");
    let error = dist.refused_by(&public);
    assert_eq!(error, "SHA256SUMS.minisig is no signature of minisign");
}

#[test]
fn the_signature_of_another_statement_or_of_another_file_is_told() {
    let dist = Dist::new();
    dist.state(OTHER, &[KUBECTL], support::build(2, "b"));
    dist.list();
    let public = dist.sign("ours");
    dist.verify_by(&public).unwrap();
    let of = |name: &str| fs::read(dist.at(&format!("{name}.minisig"))).unwrap();
    let (own, other, list) = (of(MADE), of(OTHER), of(SUMS));
    fs::write(dist.at(&format!("{MADE}.minisig")), other).unwrap();
    let wrong = |name: &str| format!("{name}.minisig is not the signature of this {name}: ");
    assert!(dist.refused_by(&public).starts_with(&wrong(MADE)), "{}", dist.refused_by(&public));
    fs::write(dist.at(&format!("{MADE}.minisig")), list).unwrap();
    assert!(dist.refused_by(&public).starts_with(&wrong(MADE)), "{}", dist.refused_by(&public));
    fs::write(dist.at("SHA256SUMS.minisig"), own).unwrap();
    assert!(dist.refused_by(&public).starts_with(&wrong(SUMS)), "{}", dist.refused_by(&public));
}

#[test]
fn a_file_that_no_statement_is_about_and_a_subject_that_is_not_there_are_named() {
    let dist = Dist::new();
    dist.write("etcd-3.4.23-linux-386", "a program");
    dist.list();
    assert!(dist.refused().starts_with("nothing says how etcd-3.4.23-linux-386 was made"), "{}", dist.refused());
    dist.state(OTHER, &["etcd-3.4.23-linux-386"], support::build(1, "a"));
    dist.list();
    dist.verify().unwrap();
    dist.write("etcd-3.4.23-linux-386", "another program");
    dist.list();
    let told =
        format!("{OTHER} is about another etcd-3.4.23-linux-386 than is there: if a later build put that there, ");
    assert!(dist.refused().starts_with(&told), "{}", dist.refused());
    fs::remove_file(dist.at("etcd-3.4.23-linux-386")).unwrap();
    dist.list();
    assert_eq!(dist.refused(), format!("{OTHER} is about etcd-3.4.23-linux-386, which SHA256SUMS does not list"));
}

#[test]
fn a_swix_of_another_build_than_its_statement_says_is_told() {
    let dist = Dist::new();
    dist.state(MADE, &[SWIX, SBOM, KUBECTL], support::build(1, "b"));
    dist.list();
    let error = dist.refused();
    let both = ["1.20.2-1.gaaaaaaaaaaaa.daaaaaaaaaaaa for 386", "1.20.2-1.gbbbbbbbbbbbb.dbbbbbbbbbbbb for 386"];
    assert!(error.starts_with(&format!("{SWIX} says that it is ")), "{error}");
    assert!(both.iter().all(|build| error.contains(build)), "{error}");
    // Other besides have the same name but for `dirty`, and the same contents.
    let besides = vec!["changes in the work tree".to_owned()];
    dist.state(MADE, &[SWIX, SBOM, KUBECTL], contract::Build { besides, ..support::build(1, "a") });
    dist.list();
    assert!(dist.refused().starts_with(&format!("{SWIX} says that it is ")), "{}", dist.refused());
}

#[test]
fn a_swix_that_is_not_whole_is_refused_as_inspect_refuses_it() {
    let dist = Dist::new();
    let bytes = fs::read(dist.at(SWIX)).unwrap();
    fs::write(dist.at(SWIX), &bytes[..bytes.len() / 2]).unwrap();
    dist.state(MADE, &[SWIX, SBOM, KUBECTL], support::build(1, "a"));
    dist.list();
    assert!(dist.refused().contains("is refused: it is cut off"), "{}", dist.refused());
}

#[test]
fn a_program_that_the_bill_of_materials_does_not_have_is_named() {
    let dist = Dist::new();
    dist.write(SBOM, r#"{"components": [{"hashes": [{"alg": "SHA-256", "content": "ab"}]}]}"#);
    dist.state(MADE, &[SWIX, SBOM, KUBECTL], support::build(1, "a"));
    dist.list();
    assert_eq!(dist.refused(), format!("bin/hyperkube in {SWIX} is not in {SBOM} by its digest"));
    dist.write(SBOM, "{");
    dist.state(MADE, &[SWIX, SBOM, KUBECTL], support::build(1, "a"));
    dist.list();
    assert!(dist.refused().starts_with(&format!("{SBOM} is no bill of materials: ")), "{}", dist.refused());
    dist.state(MADE, &[SWIX, KUBECTL], support::build(1, "a"));
    dist.list();
    assert!(dist.refused().starts_with(&format!("{MADE} is about no bill of materials")), "{}", dist.refused());
}

#[test]
fn a_statement_of_another_kind_is_none_of_ours() {
    let dist = Dist::new();
    let text = fs::read_to_string(dist.at(MADE)).unwrap();
    for (from, to, told) in [
        ("Statement/v1", "Statement/v0.1", "its _type is "),
        ("slsa.dev/provenance/v1", "slsa.dev/provenance/v0.2", "its predicateType is "),
        ("docs/provenance.md", "docs/other.md", "its buildType is "),
        ("\"subject\"", "\"subjects\"", "missing field `subject`"),
    ] {
        dist.write(MADE, &text.replacen(from, to, 1));
        dist.list();
        let error = dist.refused();
        assert!(error.starts_with(&format!("{MADE} is no provenance of this toolkit: {told}")), "{error}");
    }
}

#[test]
fn a_link_in_a_file_s_place_is_refused_whatever_it_leads_to() {
    let dist = Dist::new();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    fs::copy(dist.at(KUBECTL), elsewhere.path()).unwrap();
    fs::remove_file(dist.at(KUBECTL)).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), dist.at(KUBECTL)).unwrap();
    let error = dist.verify().unwrap_err().to_string();
    assert!(error.contains(KUBECTL) && error.contains("is no regular file"), "{error}");
}
