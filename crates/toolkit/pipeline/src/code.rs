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
    files::FILES.iter().filter(move |(name, _)| places.iter().any(|place| name.starts_with(place)))
}

/// Which sources those are: files, or directories where all of it counts. What only finds, waits or reports is left out, and so
/// is the code behind `swix-pack`, which is in the key of the step that compiles it.
fn places(work: &Work) -> &'static [&'static str] {
    match work {
        Work::Fetch(_) => &["pipeline/work/fetch.rs", "sources/fetched.rs"],
        Work::Unpack(_) => &["pipeline/work/tree.rs", "sources/archive.rs", "sources/unpack.rs", "sources/watch.rs"],
        Work::Tree(_) => {
            &["pipeline/work/tree.rs", "sources/archive.rs", "sources/patch", "sources/unpack.rs", "sources/watch.rs"]
        }
        // Of what compiles, the command lines are in the key themselves.
        Work::Go(_) => &["pipeline/modules", "pipeline/work/go.rs"],
        Work::Crates(_) => &["pipeline/work/cargo_home.rs"],
        Work::Sysroot(_) => &["pipeline/work/sysroot.rs"],
        Work::Rust(_) => &["pipeline/work/cargo_home.rs", "pipeline/work/rust.rs", "pipeline/work/rust/"],
        Work::Check(_) => &["pipeline/work/check.rs"],
        Work::ProgramLicences(_) | Work::Licences(_) => {
            &["pipeline/modules", "pipeline/work/licences", "pipeline/work/rust_std.rs"]
        }
        Work::ContainerImage(_) => &["pipeline/date.rs", "pipeline/work/container_image.rs"],
        Work::Image(_) => &["contract/build.rs", "pipeline/work/image.rs", "swix/release.rs"],
        Work::Packer(_) => &["pipeline/work/packer.rs"],
        Work::Package(_) | Work::Swix(_) => &["contract/build.rs", "pipeline/work/package.rs", "swix/packing.rs"],
        Work::Sbom(_) => &["pipeline/date.rs", "pipeline/modules", "pipeline/work/rust_std.rs", "pipeline/work/sbom"],
        Work::Provenance(_) => &["pipeline/date.rs", "pipeline/work/provenance.rs", "provenance/statement.rs"],
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
        let steps = plan(&release, &request).unwrap().steps;
        for step in &steps {
            for place in places(&step.work) {
                assert!(
                    files::FILES.iter().any(|(name, _)| name.starts_with(place)),
                    "{}: nothing is {place}",
                    step.name
                );
            }
        }
        let digest = |name: &str| of(&steps.iter().find(|step| step.name == name).unwrap().work);
        let kinds =
            ["fetch-go", "unpack-go", "tree-etcd", "go-etcd", "check-etcd", "image", "rpm", "sbom", "provenance"];
        assert_eq!(kinds.map(digest).iter().collect::<BTreeSet<_>>().len(), kinds.len());
    }
}
