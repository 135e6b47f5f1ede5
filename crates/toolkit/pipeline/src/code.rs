//! The digest of the code that carries out a kind of step, taken when this program was compiled: a step is made again when
//! what makes it is another program.

use common::{Sha256, digest::Hasher};

use crate::step::Work;

mod files {
    include!(concat!(env!("OUT_DIR"), "/code.rs"));
}

/// The digest of the sources that make what a step makes.
pub(crate) fn of(work: &Work) -> Sha256 {
    let mut hasher = Hasher::default();
    for (name, digest) in files_of(work) {
        hasher.field(name.as_bytes());
        hasher.field(digest.as_bytes());
    }
    hasher.finish()
}

fn files_of(work: &Work) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let places = places(work);
    files::FILES.iter().filter(move |(name, _)| places.iter().chain(&BY_ALL).any(|place| name.starts_with(place)))
}

/// What every step is carried out with: how a command is run, files are written and digests are taken.
const BY_ALL: [&str; 6] = [
    "common/command",
    "common/digest.rs",
    "common/files.rs",
    "pipeline/step/command_line.rs",
    "pipeline/host_tools.rs",
    "pipeline/modules",
];

/// What is written here takes little time, so that all of the code counts, and the versions of the crates behind it.
const WRITTEN: [&str; 6] = ["Cargo.lock", "common/", "contract/", "pipeline/", "provenance/", "swix/"];

/// Which sources those are: files, or directories where all of it counts. Of what takes long, what only finds, waits or reports is
/// left out; the command lines are in the key themselves. The code behind `swix-pack` is in the key of the step that compiles it.
fn places(work: &Work) -> &'static [&'static str] {
    match work {
        Work::Fetch(_) => &["pipeline/work/fetch.rs", "sources/fetched.rs"],
        Work::Unpack(_) => &["pipeline/work/tree.rs", "sources/archive.rs", "sources/unpack.rs"],
        Work::Tree(_) => &["pipeline/work/tree.rs", "sources/archive.rs", "sources/patch", "sources/unpack.rs"],
        Work::Go(_) => &["pipeline/work/go.rs"],
        Work::Crates(_) => &["pipeline/work/cargo_home.rs"],
        Work::Sysroot(_) => &["pipeline/work/sysroot.rs"],
        Work::Rust(_) => &["pipeline/work/cargo_home.rs", "pipeline/work/rust.rs", "pipeline/work/rust/"],
        Work::Packer(_) => &["pipeline/work/packer.rs"],
        Work::Check(_)
        | Work::ModuleGraph(_)
        | Work::ProgramLicences(_)
        | Work::Licences(_)
        | Work::ContainerImage(_)
        | Work::Image(_)
        | Work::Package(_)
        | Work::Swix(_)
        | Work::Sbom(_)
        | Work::Provenance(_) => &WRITTEN,
        Work::SuiteFiles(_) => &["pipeline/work/suite.rs", "sources/archive.rs", "sources/unpack.rs"],
        Work::SuiteProgram(_) => &["pipeline/work/suite.rs"],
        Work::Proof(_) => &["pipeline/work/go.rs", "pipeline/work/proof", "sources/patch"],
        Work::Vex(_) => &["audit/", "pipeline/work/vex.rs", "swix/elf"],
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        path::Path,
    };

    use super::*;
    use crate::plan::{PlanRequest, plan};

    #[test]
    fn each_kind_of_step_counts_its_own_sources_as_they_are() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        for (name, digest) in files::FILES.iter().filter(|(name, _)| name.starts_with("pipeline/")) {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name.strip_prefix("pipeline/").unwrap());
            assert_eq!(Sha256::of_file(&file).unwrap().to_string(), *digest, "{name}");
        }
        let release = recipes::load(&workspace.join("recipes"), Some("1.12")).unwrap();
        let request = PlanRequest {
            arch: common::Arch::I386,
            only: None,
            source_overrides: BTreeMap::new(),
            host: Default::default(),
            origin: Default::default(),
            workspace,
        };
        let patched = release.components.iter().find(|component| !component.tree.patches.is_empty()).unwrap();
        let patch = patched.tree.patches[0].file_name().unwrap().to_string_lossy();
        let patch = format!("{}/{patch}", patched.name);
        let steps = plan(&release, &request).unwrap().of_proofs(&release, request.arch, &[&patch]).unwrap().steps;
        for step in &steps {
            for place in places(&step.work).iter().chain(&BY_ALL) {
                assert!(
                    files::FILES.iter().any(|(name, _)| name.starts_with(place)),
                    "{}: nothing is {place}",
                    step.name
                );
            }
        }
        for (name, _) in files::FILES.iter().filter(|(name, _)| name.starts_with("pipeline/work/")) {
            let counts = |step: &crate::step::Step| files_of(&step.work).any(|(counted, _)| counted == name);
            assert!(steps.iter().any(counts), "{name} counts for no step");
        }
        let proof = steps.last().unwrap();
        for name in ["pipeline/work/go.rs", "pipeline/work/proof/trial.rs", "sources/patch/without.rs"] {
            assert!(files_of(&proof.work).any(|(counted, _)| *counted == name), "{}: without {name}", proof.name);
        }
        let digest = |name: &str| of(&steps.iter().find(|step| step.name == name).unwrap().work);
        let kinds =
            ["fetch-go", "unpack-go", "tree-etcd", "go-etcd", "sysroot-rust", "rust-k8s-node", "packer", "image"];
        assert_eq!(kinds.map(digest).iter().collect::<BTreeSet<_>>().len(), kinds.len());
    }
}
