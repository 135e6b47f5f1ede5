//! What is whole, and what is not what was listed.

use std::fs;

use common::{Sha256, progress::Silent};
use provenance::{
    SUMS,
    statement::Statement,
    verification::{Trust, verify},
};

use crate::{
    dist::{Dist, KUBECTL, MADE, SBOM, SWIX},
    support::{self, run, tool},
};

#[test]
fn what_a_build_leaves_is_verified_by_its_digests_and_signed_by_a_key_as_well() {
    let dist = Dist::new();
    let found = dist.verify().unwrap();
    assert_eq!(found.files.len(), 4);
    assert_eq!((found.builds.len(), found.builds[0].version.as_str()), (1, "1.20.2"));
    assert_eq!(found.builds[0].build, support::build(1, "a"));
    let public = dist.sign("ours");
    assert_eq!(dist.verify_by(&public).unwrap().files, found.files);
    assert_eq!(dist.verify().unwrap().files, found.files, "signatures are not in the way");
}

#[test]
fn what_no_build_publishes_is_named_and_not_vouched_for() {
    let dist = Dist::new();
    fs::create_dir(dist.at("topo-test")).unwrap();
    dist.write(".gitignore", "*\n");
    assert_eq!(dist.verify().unwrap().beside, [".gitignore", "topo-test/"]);
}

#[test]
fn a_file_with_a_byte_changed_is_named() {
    for name in [SWIX, SBOM, KUBECTL, MADE] {
        let dist = Dist::new();
        let mut bytes = fs::read(dist.at(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(dist.at(name), bytes).unwrap();
        let error = dist.refused();
        assert!(error.starts_with(&format!("{name} is not what SHA256SUMS lists: its SHA-256 is ")), "{error}");
        assert!(!error.contains("swapped"), "{error}");
    }
}

#[test]
fn a_missing_file_and_an_extra_one_are_named() {
    let dist = Dist::new();
    fs::remove_file(dist.at(KUBECTL)).unwrap();
    assert_eq!(dist.refused(), format!("{KUBECTL} is missing, and SHA256SUMS lists it"));
    let dist = Dist::new();
    dist.write("kubectl-1.20.2-linux-arm64", "whatever");
    assert!(dist.refused().starts_with("kubectl-1.20.2-linux-arm64 is not in SHA256SUMS"), "{}", dist.refused());
    dist.write(&format!("{SWIX}.minisig"), "of what is not signed");
    let error = dist.refused();
    assert!(error.starts_with(&format!("kubectl-1.20.2-linux-arm64, {SWIX}.minisig are not in SHA256SUMS")), "{error}");
}

#[test]
fn two_files_that_were_swapped_are_both_named() {
    let dist = Dist::new();
    let [kubectl, sbom] = [KUBECTL, SBOM].map(|name| fs::read(dist.at(name)).unwrap());
    fs::write(dist.at(KUBECTL), sbom).unwrap();
    fs::write(dist.at(SBOM), kubectl).unwrap();
    let error = dist.refused();
    assert!(error.contains(&format!("that of {SBOM}: were they swapped?")), "{error}");
}

#[test]
fn a_directory_without_a_list_and_a_list_of_something_else_are_told() {
    let dist = Dist::new();
    for (line, told) in [
        ("no such line\n", "line 1 of SHA256SUMS is not a digest"),
        (&format!("{}  ../outside\n", Sha256::of_bytes("")), "line 1 of SHA256SUMS is not a digest"),
        (&format!("{0}  a\n{0}  a\n", Sha256::of_bytes("")), "SHA256SUMS lists a twice"),
        ("", "nothing says how it was made"),
    ] {
        let dist = Dist::new();
        for name in [SWIX, SBOM, KUBECTL, MADE] {
            fs::remove_file(dist.at(name)).unwrap();
        }
        dist.write(SUMS, line);
        assert!(dist.refused().starts_with(told), "{}", dist.refused());
    }
    fs::remove_file(dist.at(SUMS)).unwrap();
    assert!(dist.refused().contains("has no SHA256SUMS"), "{}", dist.refused());
    let error = verify(&dist.at("nowhere"), &Trust::DigestsOnly, &Silent).unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("cannot be read"), "{error}");
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_is_what_its_provenance_is_about() {
    let built = swix::dist::directory();
    let swix = swix::dist::newest_swix(&built).unwrap_or_else(|error| panic!("{error:#}"));
    let made = swix.with_extension("provenance.json");
    let statement = Statement::from_json(&fs::read(&made).unwrap()).unwrap_or_else(|why| panic!("{why}"));
    let made = made.file_name().unwrap().to_str().unwrap();
    // What other builds left there is theirs.
    let own = tempfile::tempdir().unwrap();
    let names: Vec<&str> = statement.subject.iter().map(|subject| subject.name.as_str()).chain([made]).collect();
    for name in &names {
        fs::copy(built.join(name), own.path().join(name)).unwrap();
    }
    let listed = fs::read_to_string(built.join(SUMS)).unwrap();
    let lines = listed.lines().filter(|line| line.split_once("  ").is_some_and(|(_, name)| names.contains(&name)));
    fs::write(own.path().join(SUMS), lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let found = verify(own.path(), &Trust::DigestsOnly, &Silent).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((found.files.len(), found.builds.len()), (names.len(), 1));

    let definition = &statement.predicate.build_definition;
    let sources = definition.resolved_dependencies.iter().filter(|from| from.annotations.contains_key("source"));
    assert!(sources.clone().count() > 10, "{:?}", sources.collect::<Vec<_>>());
    assert!(definition.internal_parameters.steps.iter().any(|step| step.name == "go-hyperkube"));
    let text = fs::read_to_string(own.path().join(made)).unwrap();
    let home = std::env::var("HOME").unwrap();
    assert!(home.len() < 2 || !text.contains(&format!("{home}/")), "a path of this machine is in {made}");
}

#[test]
fn sha256sum_finds_the_same_right() {
    let dist = Dist::new();
    let printed = run(tool("sha256sum").args(["--strict", "-c", SUMS]).dir(&dist.path()));
    assert_eq!(printed.lines().count(), dist.verify().unwrap().files.len());
}
