//! The plan of a real release, narrowed down to one program.

use std::{collections::BTreeMap, path::Path};

use common::Arch;
use pipeline::{
    host::Host,
    origin::BuildOrigin,
    plan::{Plan, PlanRequest, plan},
    step::Work,
};
use recipes::Release;

fn narrowed_to(program: &str) -> anyhow::Result<Plan> {
    let (release, plan) = planned(BuildOrigin::default());
    plan.of_program(&release, Arch::I386, program)
}

fn planned(origin: BuildOrigin) -> (Release, Plan) {
    planned_of("1.12", origin)
}

fn planned_of(release: &str, origin: BuildOrigin) -> (Release, Plan) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let release = recipes::load(&workspace.join("recipes"), Some(release)).unwrap();
    let request = PlanRequest {
        arch: Arch::I386,
        only: None,
        source_overrides: BTreeMap::new(),
        host: Host::default(),
        origin,
        workspace,
    };
    let plan = plan(&release, &request).unwrap();
    (release, plan)
}

#[test]
fn a_program_alone_is_published_under_its_component_s_version_and_checked() {
    let plan = narrowed_to("flanneld").unwrap();
    let published: Vec<&str> = plan.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(published, ["flanneld-0.10.0-linux-386", "flanneld-0.10.0-linux-386.provenance.json"]);
    assert_eq!(plan.goals(), ["go-flanneld", "provenance-flanneld", "check-flanneld"]);
}

#[test]
fn a_program_that_the_release_does_not_have_is_refused_with_those_that_it_has() {
    let error = narrowed_to("flannel").unwrap_err().to_string();
    assert!(error.starts_with("release 1.12 has no program flannel; there are "), "{error}");
    assert!(error.contains("flanneld"), "{error}");
}

#[test]
fn a_commit_is_a_new_image_and_compiles_nothing_anew() {
    let origin = |commit: &str| BuildOrigin { commit: Some(commit.to_owned()), besides: vec![] };
    let (first, second) = (planned(origin("a")).1, planned(origin("b")).1);
    let changed: Vec<&str> = first
        .steps
        .iter()
        .zip(&second.steps)
        .filter(|(first, second)| first.own_inputs() != second.own_inputs())
        .map(|(first, _)| first.name.as_str())
        .collect();
    // The RPM and the SWIX come after the image.
    assert_eq!(changed, ["image", "provenance"]);
}

#[test]
fn the_provenance_of_a_program_tells_of_that_program_alone() {
    let plan = narrowed_to("flanneld").unwrap();
    let step = plan.steps.iter().find(|step| step.name == "provenance-flanneld").unwrap();
    let Work::Provenance(told) = &step.work else { panic!("{step:?}") };
    let subjects: Vec<&str> = told.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!((subjects, told.version.as_str()), (vec!["flanneld-0.10.0-linux-386"], "0.10.0"));
    let steps: Vec<&str> = told.steps.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(steps, ["tree-flannel", "go-flanneld"]);
    assert!(told.host_tools.is_none(), "Go links by itself");
    assert!(step.needs.contains(&"go-flanneld".to_owned()) && !step.needs.iter().any(|need| need == "image"));
}

#[test]
fn the_suite_is_made_of_the_same_tree_as_the_programs_and_only_where_it_is_asked_for() {
    let (release, plan) = planned_of("1.20", BuildOrigin::default());
    let made: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert!(
        !made.iter().any(|name| name.contains("suite") || name.contains("e2e")),
        "a build makes the suite: {made:?}"
    );
    let tree = |plan: &Plan, step: &str| {
        let step = plan.steps.iter().find(|known| known.name == step).unwrap();
        step.needs.iter().find(|need| need.starts_with("tree-")).cloned()
    };
    let hyperkube_s = tree(&plan, "go-hyperkube");
    let before = plan.clone();
    let suite = plan.of_suite(&release, Arch::I386).unwrap();
    let published: Vec<&str> = suite.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(published, ["test/images", "e2e.test", "ginkgo", "agnhost", "nnp", "sample-apiserver", "etcd"]);
    assert_eq!(tree(&suite, "suite-kubernetes-e2e.test"), hyperkube_s);
    assert_eq!(tree(&suite, "suite-kubernetes"), hyperkube_s);
    assert!(suite.gates.contains(&"check-e2e.test".to_owned()));
    for (known, now) in before.steps.iter().zip(&suite.steps) {
        assert_eq!(known.own_inputs(), now.own_inputs(), "{} is another step beside the suite", known.name);
    }
}

#[test]
fn a_proof_is_of_a_patch_of_the_series_and_only_where_it_is_asked_for() {
    let (release, plan) = planned_of("1.20", BuildOrigin::default());
    let proofs = |plan: &Plan| plan.steps.iter().filter(|step| matches!(step.work, Work::Proof(_))).count();
    assert_eq!(proofs(&plan), 0, "a build proves patches");
    let etcd_s = release.components.iter().find(|component| *component.name == *"etcd").unwrap();
    let mut names = etcd_s.tree.patches.iter().map(|path| path.file_name().unwrap().to_string_lossy());
    let patch = format!("etcd/{}", names.next_back().unwrap());
    let proven = plan.clone().of_proofs(&release, Arch::I386, &[&patch]).unwrap();
    assert_eq!(proven.goals(), [pipeline::plan::step_of_proof(&patch)]);
    let step = proven.steps.last().unwrap();
    assert_eq!(step.needs, ["unpack-go", "unpack-gocode-etcd", "tree-etcd"]);
    let error = plan.of_proofs(&release, Arch::I386, &["etcd/0009-none.patch"]).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("etcd/0009-none.patch") && error.contains("not in the series of etcd's recipe"), "{error}");
}

#[test]
fn a_release_without_a_suite_says_so() {
    let (release, plan) = planned(BuildOrigin::default());
    let error = plan.of_suite(&release, Arch::I386).unwrap_err().to_string();
    assert!(error.starts_with("release 1.12 has no suite"), "{error}");
}
