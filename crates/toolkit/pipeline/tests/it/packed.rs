//! From a tree to a SWIX with its provenance in dist/, by the steps that a real build has, and verified as another machine would.

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{Arch, Sha256, progress::Silent};
use pipeline::{
    dist,
    host::Host,
    plan::Plan,
    step::{
        Artifact, ImageBuild, ImageItem, InputFile, Licences, PackageBuild, Packer, PlannedBuild, Provenance, Step,
        SwixBuild, Work,
    },
};
use provenance::verification::{Trust, Verified, verify};
use swix::release::ReleaseInfo;

use crate::support::{Place, UNPACK, names};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const SWIX: &str = "small.swix";
const DATE: u32 = 1_600_000_000;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The steps of a small build of a place's tree.
fn plan(place: &Place, build: &PlannedBuild) -> Plan {
    let mut steps = place.steps();
    let mut add = |name: &str, work: Work, needs: &[&str]| {
        let needs: Vec<&Step> = steps.iter().filter(|step| needs.contains(&step.name.as_str())).collect();
        let step = Step::new(name, work, &needs);
        steps.push(step);
    };
    let files = pipeline::files_of_package(&workspace(), "swix").unwrap();
    add("packer", Work::Packer(Packer { files, workspace: workspace() }), &[]);
    let item = ImageItem {
        step: UNPACK.into(),
        file: "cmd/run".into(),
        path: "bin/run".to_owned().try_into().unwrap(),
        links: vec![],
        mode: 0o755,
    };
    let info = ReleaseInfo {
        name: "9.9".into(),
        version: "9.9.1".into(),
        arch: Arch::I386,
        build: None,
        components: vec![],
        probes: vec![],
    };
    let licences = Licences { file_name: "small.licences.txt".into(), version: "9.9.1".into(), steps: vec![] };
    add("licences", Work::Licences(licences), &[]);
    let image = ImageBuild { source_date: DATE, items: vec![item], files: vec![], info, build: build.clone() };
    add("image", Work::Image(image), &[UNPACK, "packer", "licences"]);
    let rootfs_directory = workspace().join("rootfs");
    let package = PackageBuild {
        version: "9.9.1".into(),
        arch: Arch::I386,
        source_date: DATE,
        rootfs: InputFile::below(&rootfs_directory).unwrap(),
        rootfs_directory,
    };
    add("rpm", Work::Package(package), &["image", "packer", "licences"]);
    add("swix", Work::Swix(SwixBuild { file_name: SWIX.into() }), &["rpm", "packer"]);
    let artifact =
        |step: &str, file: &str, name: &str| Artifact { step: step.into(), file: file.into(), name: name.into() };
    let mut artifacts = vec![artifact("swix", SWIX, SWIX), artifact(UNPACK, "sbom", "small.cdx.json")];
    let made = Provenance {
        steps: vec![("swix".to_owned(), serde_json::json!({ "swix": SWIX }))],
        ..told("small.provenance.json", &artifacts)
    };
    add("provenance", Work::Provenance(made), &[UNPACK, "image", "rpm", "swix"]);
    artifacts.push(artifact("provenance", "small.provenance.json", "small.provenance.json"));
    Plan { steps, artifacts, gates: vec![] }
}

/// How these were made.
fn told(file_name: &str, artifacts: &[Artifact]) -> Provenance {
    Provenance {
        file_name: file_name.into(),
        release: "9.9".into(),
        version: "9.9.1".into(),
        arch: Arch::I386,
        source_date: DATE,
        only: None,
        source_overrides: [].into(),
        lock: InputFile::new("Cargo.lock", &workspace().join("Cargo.lock")).unwrap(),
        host: Host::default(),
        host_tools: None,
        artifacts: artifacts.to_vec(),
        build: None,
        steps: vec![],
    }
}

#[test]
fn one_program_without_a_swix_is_verified_by_its_own_provenance() {
    let built = |script: &str| {
        let place = Place::new();
        place.write("thing", "cmd/run", script);
        let mut steps = place.steps();
        let run = Artifact { step: UNPACK.into(), file: "cmd/run".into(), name: "run-1-linux-386".into() };
        let (commit, around) = (Some(COMMIT.to_owned()), Sha256::of_bytes("a SWIX that is not packed"));
        let build = Some(PlannedBuild { revision: 4, commit, besides: vec![], around });
        let made = Provenance { build, ..told("run-1-linux-386.provenance.json", std::slice::from_ref(&run)) };
        let step = Step::new("provenance-run", Work::Provenance(made), &steps.iter().collect::<Vec<_>>());
        steps.push(step);
        let file = "run-1-linux-386.provenance.json".to_owned();
        let told = Artifact { step: "provenance-run".into(), file: file.clone(), name: file };
        let plan = Plan { steps, artifacts: vec![run, told], gates: vec![] };
        place.try_run(&plan.steps, &plan.goals(), 2).unwrap_or_else(|error| panic!("{error:#}"));
        let dist = place.directory.join("dist");
        dist::publish(&plan, &place.cache(), &dist).unwrap();
        verify(&dist, &Trust::DigestsOnly, &Silent).unwrap_or_else(|error| panic!("{error}"))
    };
    let first = built("#!/bin/sh\n");
    assert_eq!(first.files.len(), 2);
    assert!(release(&first).starts_with("4.g0123456789ab.d"), "{}", release(&first));
    assert_eq!(built("#!/bin/sh\n").files, first.files, "in another folder, with another cache");
    assert_ne!(release(&built("#!/bin/sh\nexit 1\n")), release(&first));
}

/// Builds it in a folder and a cache of its own, and verifies what is published.
fn built(script: &str, around: &str, besides: &[&str]) -> (Place, Verified) {
    let place = Place::new();
    place.write("thing", "cmd/run", script);
    place.write("thing", "sbom", r#"{"components": []}"#);
    let besides = besides.iter().map(|what| (*what).to_owned()).collect();
    let around = Sha256::of_bytes(around);
    let plan = plan(&place, &PlannedBuild { revision: 4, commit: Some(COMMIT.into()), besides, around });
    place.try_run(&plan.steps, &plan.goals(), 2).unwrap_or_else(|error| panic!("{error:#}"));
    let dist = place.directory.join("dist");
    dist::publish(&plan, &place.cache(), &dist).unwrap();
    let verified = verify(&dist, &Trust::DigestsOnly, &Silent).unwrap_or_else(|error| panic!("{error}"));
    (place, verified)
}

/// The release of the RPM.
fn release(verified: &Verified) -> String {
    verified.builds[0].build.release()
}

#[test]
#[ignore = "compiles what packs the SWIX: run by cargo xtask test"]
fn two_builds_of_the_same_are_the_same_bytes_and_others_have_other_names() {
    let (place, first) = built("#!/bin/sh\n", "rootfs", &[]);
    let dist = place.directory.join("dist");
    assert_eq!(names(&dist), ["SHA256SUMS", "small.cdx.json", "small.provenance.json", "small.swix"]);
    assert!(release(&first).starts_with("4.g0123456789ab.d"), "{}", release(&first));
    let text = fs::read_to_string(dist.join("small.provenance.json")).unwrap();
    assert!(!text.contains(place.directory.to_str().unwrap()), "a path of this machine is in {text}");

    let (_second_place, second) = built("#!/bin/sh\n", "rootfs", &[]);
    assert_eq!(second.files, first.files, "in another folder, with another cache");
    let (_, other) = built("#!/bin/sh\nexit 1\n", "rootfs", &[]);
    let (_, around) = built("#!/bin/sh\n", "rootfs with a changed line", &[]);
    let (_, dirty) = built("#!/bin/sh\n", "rootfs", &["changes in the work tree"]);
    let (_, chosen) = built("#!/bin/sh\n", "rootfs", &["recipes from elsewhere"]);
    assert!(release(&dirty).starts_with("4.g0123456789ab.dirty.d"), "{}", release(&dirty));
    let mut releases = [&first, &other, &around, &dirty, &chosen].map(release).to_vec();
    releases.sort();
    releases.dedup();
    assert_eq!(releases.len(), 5, "{releases:?}");
}
