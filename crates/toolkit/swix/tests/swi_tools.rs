//! Arista's own swi-tools, from the Python package index: what they make and ours are alike, and they
//! sign and verify ours.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{Arch, progress::Silent};
use support::{
    default_sample, image_entries, run,
    swi_tools::{self, make_key, swi_tool},
    tool,
};
use swix::{
    archive,
    inspect::{self, Probes},
    signature::{SignError, Signature, SigningKey},
};

#[test]
#[ignore = "needs the Python package index: run by cargo xtask test"]
fn swix_create_makes_the_same_manifest_and_members() {
    let (directory, sample) = default_sample();
    tool("zip");
    let theirs = directory.path().join("theirs.swix");
    run(swi_tool("swix-create").arg(&theirs).arg(&sample.rpm));
    let list = |path: &PathBuf| run(tool("unzip").arg("-Z1").arg(path));
    assert_eq!(list(&theirs), list(&sample.swix));
    let manifest = |path: &PathBuf| run(tool("unzip").arg("-p").arg(path).arg("manifest.txt"));
    assert_eq!(manifest(&theirs), manifest(&sample.swix));
    let error = inspect::inspect(&theirs, Probes::Skip, &Silent).unwrap_err().to_string();
    assert!(error.contains("made by another tool"), "{error}");
}

fn signature(swix: &Path) -> Signature {
    inspect::inspect(swix, Probes::Skip, &Silent).unwrap().signature
}

fn signer(signature: &Signature) -> &str {
    match signature {
        Signature::Signed(by) => &by.subject,
        _ => panic!("{signature}"),
    }
}

#[test]
#[ignore = "needs the Python package index: run by cargo xtask test"]
fn what_swi_tools_sign_is_verified_here_and_a_changed_byte_is_seen() {
    let (directory, sample) = default_sample();
    make_key(directory.path());
    assert_eq!(signature(&sample.swix), Signature::None);
    let prepared = directory.path().join("prepared.swix");
    fs::copy(&sample.swix, &prepared).unwrap();
    run(swi_tool("swi-signature").arg("prepare").arg(&prepared));
    assert_eq!(signature(&prepared), Signature::Prepared);
    swi_tools::sign(&sample.swix, directory.path());
    assert_eq!(signer(&signature(&sample.swix)), "CN=signer");
    let whole = fs::read(&sample.swix).unwrap();
    let before_the_signature =
        whole.windows(archive::SIGNATURE.len()).position(|name| name == archive::SIGNATURE.as_bytes());
    for offset in 0..before_the_signature.unwrap() - 30 {
        let mut bytes = whole.clone();
        bytes[offset] ^= 0x10;
        assert!(archive::parse(&bytes).is_err(), "a change of byte {offset} went unseen");
    }
}

#[test]
#[ignore = "needs the Python package index: run by cargo xtask test"]
fn what_is_signed_here_is_verified_by_swi_tools() {
    let (directory, sample) = default_sample();
    let at = |name: &str| directory.path().join(name);
    make_key(directory.path());
    let key = SigningKey::read(&at("key"), &at("crt")).unwrap();
    key.sign(&sample.swix, false, &at("signed.swix")).unwrap();
    let verified = swi_tools::verify(&at("signed.swix"), directory.path());
    assert!(verified.contains("successful"), "{verified}");
    assert_eq!(signer(&signature(&at("signed.swix"))), "CN=signer");
    run(tool("unzip").arg("-t").arg(at("signed.swix")));

    // One that is signed is left alone, until it is said; one that is prepared is no signed one.
    let error = key.sign(&at("signed.swix"), false, &at("twice.swix")).unwrap_err();
    assert!(matches!(error, SignError::Signed(_)) && !at("twice.swix").exists(), "{error}");
    key.sign(&at("signed.swix"), true, &at("twice.swix")).unwrap();
    assert_eq!(fs::read(at("twice.swix")).unwrap(), fs::read(at("signed.swix")).unwrap());
    run(swi_tool("swi-signature").arg("prepare").arg(&sample.swix));
    key.sign(&sample.swix, false, &at("from-prepared.swix")).unwrap();
    let verified = swi_tools::verify(&at("from-prepared.swix"), directory.path());
    assert!(verified.contains("successful"), "{verified}");
}

#[test]
#[ignore = "needs openssl: run by cargo xtask test"]
fn the_signature_of_another_file_is_refused() {
    let (directory, sample) = default_sample();
    let at = |name: &str| directory.path().join(name);
    make_key(directory.path());
    let key = SigningKey::read(&at("key"), &at("crt")).unwrap();
    key.sign(&sample.swix, false, &at("one.swix")).unwrap();
    let other = support::sample(directory.path(), "1.20.3", &image_entries(directory.path(), Arch::I386), Arch::I386);
    key.sign(&other.swix, false, &at("other.swix")).unwrap();
    let [one, mut other] = ["one.swix", "other.swix"].map(|name| fs::read(at(name)).unwrap());
    let member = |bytes: &[u8]| {
        let start = bytes.windows(14).position(|text| text == b"HashAlgorithm:").unwrap();
        start..start + 8192
    };
    // Its CRC is that of any other signature.
    let place = member(&other);
    other[place].copy_from_slice(&one[member(&one)]);
    fs::write(at("pasted.swix"), other).unwrap();
    let error = inspect::inspect(&at("pasted.swix"), Probes::Skip, &Silent).unwrap_err().to_string();
    assert!(error.contains("it is not that of this file by the key of its certificate (CN=signer)"), "{error}");
}

#[test]
#[ignore = "needs openssl: run by cargo xtask test"]
fn a_key_that_does_not_fit_is_refused_with_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    make_key(directory.path());
    let openssl = |args: &[&str]| run(tool("openssl").args(args).dir(directory.path()));
    let refusal = |key: &str, certificate: &str| match SigningKey::read(&at(key), &at(certificate)) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{key} and {certificate} were taken"),
    };
    assert!(refusal("ca.key", "crt").contains("crt is not the certificate of"));
    openssl(&["pkey", "-in", "key", "-aes256", "-passout", "pass:secret", "-out", "encrypted"]);
    assert!(refusal("encrypted", "crt").contains("without a passphrase"), "{}", refusal("encrypted", "crt"));
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec"]);
    assert!(refusal("ec", "crt").contains("not an RSA key"), "{}", refusal("ec", "crt"));
    let authority = "[ca]\ndefault_ca=it\n[it]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n\
                     policy=names\n[names]\ncommonName=supplied\n";
    fs::write(at("authority"), authority).unwrap();
    fs::write(at("index"), "").unwrap();
    let itself =
        ["ca", "-batch", "-config", "authority", "-create_serial", "-selfsign", "-keyfile", "key", "-in", "csr"];
    let days = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-out", "old", "-notext"];
    openssl(&[&itself[..], &days].concat());
    assert!(refusal("key", "old").contains("which is not now"), "{}", refusal("key", "old"));
    assert!(refusal("none", "crt").contains("cannot be read: No such file"));
    assert!(refusal("key", "csr").contains("is no certificate in PEM"));
}
