//! What is said of bad input is said in words of whoever gave it, and not of the libraries that found it.

use std::fs;

use crate::support::{Place, assert_says, end, nowhere, refused, xtask};

/// Of serde, of Rust's standard library, of others.
const OF_LIBRARIES: [&str; 12] = [
    "missing field",
    "unknown field",
    "unknown variant",
    "duplicate field",
    "invalid type",
    "invalid value: ",
    "expected struct",
    "did not contain valid UTF-8",
    "Os {",
    "JoinError",
    "expected number at",
    "panicked",
];

#[track_caller]
fn assert_in_plain_words(said: &str) {
    for word in OF_LIBRARIES {
        assert!(!said.contains(word), "{word:?} is a library's: {said}");
    }
}

#[test]
fn a_cluster_toml_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cluster.toml");
    let good = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../topo/cluster.toml")).unwrap();
    let (_, service_cidr) = good.split_once("service_cidr").unwrap();
    let service_cidr = service_cidr.lines().next().unwrap();
    let without = good.replacen(&format!("service_cidr{service_cidr}"), "", 1);
    for (text, expected) in [
        (without, "`service_cidr` is missing"),
        (good.replacen("service_cidr", "servce_cidr", 1), "there is no `servce_cidr` here, but "),
        (
            good.replacen(&format!("service_cidr{service_cidr}"), "service_cidr = 5", 1),
            "`5` stands where a string belongs",
        ),
        (good.replacen("\"worker\"", "\"leaf\"", 1), "`leaf` is none of `master` or `worker`"),
    ] {
        fs::write(&file, text).unwrap();
        let said = refused(xtask(directory.path()).args(["pki", "--out", "/nowhere", "--cluster"]).arg(&file));
        assert_in_plain_words(&said);
        assert_says(&said, &[expected]);
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    for verb in
        [&["pki", "--out", "/nowhere", "--cluster"][..], &["topo-test", "--cluster"], &["topo-test", "--topology"]]
    {
        let said = refused(xtask(directory.path()).args(verb).arg(&file));
        assert_in_plain_words(&said);
        assert_says(&said, &[&format!("{} is no text: it is not UTF-8", file.display())]);
    }
}

#[test]
fn a_recipe_that_is_wrong() {
    for (from, to, expected) in [
        ("revision = 1\n", "", "`revision` is missing"),
        ("revision = 1", "revison = 1", "there is no `revison` here, but "),
        ("revision = 1", "revision = \"one\"", "string \"one\" stands where a number belongs"),
    ] {
        let place = Place::new(&nowhere(), &nowhere());
        let path = place.recipes().join("9.9/release.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let said = refused(place.xtask().arg("plan").arg("--recipes").arg(place.recipes()));
        assert_in_plain_words(&said);
        assert_says(&said, &[expected]);
    }
}

#[test]
fn a_duration_that_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let said = end(xtask(directory.path()).args(["chaos", "--for", "soon"])).err;
    assert_in_plain_words(&said);
    assert_says(&said, &["'soon'", "expected a number with its unit"]);
}

#[test]
fn without_an_engine_nobody_is_told_to_start_a_topology() {
    let directory = tempfile::tempdir().unwrap();
    let said = refused(xtask(directory.path()).args(["device", "status"]).env("DOCKER_HOST", "unix:///no/such.sock"));
    assert!(!said.contains("device up"), "{said}");
    assert!(said.contains("no Docker engine answers") || said.contains("no `docker` on PATH"), "{said}");
}
