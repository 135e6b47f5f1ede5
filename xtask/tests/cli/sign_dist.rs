//! `sign-dist` and `verify`: what they say, what they refuse, and how they end.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use common::{
    Arch, Sha256,
    lock::{After, Lock},
};
use minisign::KeyPair;
use provenance::statement::{
    BUILD_TYPE, BUILDER, BuildDefinition, Builder, External, Internal, Provenance, Resource, RunDetails, Statement,
};

use crate::{
    inspect::{build, sample},
    support::{assert_says, end, process, refused, succeeds, xtask},
};

/// What a build leaves: a SWIX, its bill of materials, its provenance and the list.
fn published(directory: &Path) -> PathBuf {
    let dist = directory.join("dist");
    fs::create_dir(&dist).unwrap();
    fs::rename(sample(directory), dist.join("a.swix")).unwrap();
    fs::write(dist.join("a.cdx.json"), r#"{"components": []}"#).unwrap();
    let of = |name: &str| Sha256::of_file(&dist.join(name)).unwrap();
    let subject = ["a.swix", "a.cdx.json"].map(|name| Resource::of_sha256(name, &of(name)));
    let (origin, sources) = (None, BTreeMap::new());
    let internal_parameters =
        Internal { version: "9.9.1".into(), build: build(), source_date: "2020-09-13".into(), steps: vec![] };
    let build_definition = BuildDefinition {
        build_type: BUILD_TYPE.into(),
        external_parameters: External { release: "9.9".into(), arch: Arch::I386, origin, sources },
        internal_parameters,
        resolved_dependencies: vec![],
    };
    let run_details = RunDetails { builder: Builder { id: BUILDER.into(), version: BTreeMap::new() } };
    let statement = Statement::new(subject.into(), Provenance { build_definition, run_details });
    fs::write(dist.join("a.provenance.json"), statement.to_json().unwrap()).unwrap();
    let names = ["a.cdx.json", "a.provenance.json", "a.swix"];
    fs::write(dist.join("SHA256SUMS"), names.map(|name| format!("{}  {name}\n", of(name))).concat()).unwrap();
    dist
}

/// The files of a secret key with that password, and of its public key.
fn keys(directory: &Path, password: &str) -> (PathBuf, PathBuf) {
    let (secret, public) = (directory.join("secret"), directory.join("public"));
    let pair = KeyPair::generate_encrypted_keypair(Some(password.into())).unwrap();
    fs::write(&secret, pair.sk.to_box(None).unwrap().into_string()).unwrap();
    fs::write(&public, pair.pk.to_box().unwrap().into_string()).unwrap();
    (secret, public)
}

#[test]
fn what_was_published_is_signed_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let (dist, (secret, public)) = (published(directory.path()), keys(directory.path(), "a word"));
    let sign = |password: &str| {
        let mut sign = xtask(directory.path());
        sign.arg("sign-dist").arg(&dist).arg("--key").arg(&secret).env("KOE_SIGNING_PASSWORD", password);
        sign
    };
    let verify = || {
        let mut verify = xtask(directory.path());
        verify.arg("verify").arg(&dist).arg("--key").arg(&public);
        verify
    };
    assert_says(&refused(&mut verify()), &["SHA256SUMS is not signed: there is no SHA256SUMS.minisig"]);
    assert_says(&refused(&mut sign("another")), &["secret is encrypted by another password: give the one"]);
    let signed = succeeds(&mut sign("a word")).out;
    assert_says(&signed, &["a.provenance.json.minisig\n", "SHA256SUMS.minisig\n"]);
    let verified = succeeds(&mut verify()).out;
    let name = "a.provenance.json: 9.9.1-1.g012345678901.dirty.dabababababab, commit 0123456789";
    assert_says(&verified, &[name, "  a.swix\n", "signed by ", "/public\n"]);

    fs::write(dist.join("a.cdx.json"), "{}").unwrap();
    assert_says(&refused(&mut verify()), &["a.cdx.json is not what SHA256SUMS lists"]);
    assert_says(&refused(&mut sign("a word")), &["a.cdx.json is not what SHA256SUMS lists"]);
}

#[test]
fn nothing_is_signed_while_a_build_publishes() {
    let directory = tempfile::tempdir().unwrap();
    let (dist, (secret, _)) = (published(directory.path()), keys(directory.path(), "a word"));
    // Whichever cache it builds in.
    let publishing = Lock::acquire(&dist, After::Stays, |_| {}).unwrap();
    let mut sign = process(directory.path());
    sign.arg("sign-dist").arg(&dist).arg("--key").arg(&secret).env("KOE_SIGNING_PASSWORD", "a word");
    let mut sign = sign.spawn().unwrap();
    let mut said = BufReader::new(sign.stderr.take().unwrap()).lines();
    let waits = said.by_ref().map(Result::unwrap).find(|line| line.contains("waits until a build has published"));
    assert!(waits.is_some() && !dist.join("SHA256SUMS.minisig").exists());
    drop(publishing);
    let said: Vec<String> = said.map(Result::unwrap).collect();
    assert!(sign.wait().unwrap().success(), "{said:?}");
    assert!(dist.join("SHA256SUMS.minisig").exists());
}

#[test]
fn without_a_key_it_is_said_what_that_is_worth_and_it_is_a_failure_unless_that_is_enough() {
    let directory = tempfile::tempdir().unwrap();
    let dist = published(directory.path());
    let verify = |flags: &[&str]| end(xtask(directory.path()).arg("verify").arg(&dist).args(flags));
    let ended = verify(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert_says(&ended.out, &["unsigned: shows damage only"]);
    assert_says(&ended.err, &["nobody's signature was verified: give --key FILE, or say --digests-only"]);
    let ended = verify(&["--digests-only"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_says(&ended.out, &["unsigned: shows damage only"]);
    let both = verify(&["--digests-only", "--key", "public"]);
    assert_eq!(both.code, Some(2), "{}", both.out);
}
