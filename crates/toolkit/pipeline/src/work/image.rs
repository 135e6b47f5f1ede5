//! The squashfs that is mounted on the switch: programs, links to them, container images, licences,
//! and `release.json`, which says what the programs are.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result};
use common::{Sha256, digest::Hasher, files};
use contract::Build;
use sources::Fetched;
use swix::{
    SourceDate,
    packing::Order,
    release::{self, ReleaseInfo},
    tree::{Entry, Kind},
};

use crate::{
    step::{ImageBuild, PlannedBuild},
    work::{
        Job, licences,
        packer::{STEP as PACKER, pack},
    },
};

/// Where the image is in the step's output.
pub(crate) const IMAGE: &str = "programs.squashfs";
/// The same `release.json` as in the image.
const INFO: &str = "release.json";

pub(crate) fn run(job: &Job, work: &ImageBuild) -> Result<()> {
    let mut entries = Vec::new();
    for item in &work.items {
        let file = job.need(&item.step)?.join(&item.file);
        entries.push(Entry { path: item.path.to_string(), kind: Kind::File { from: file, mode: item.mode } });
        for link in &item.links {
            entries.push(Entry::symlink(link.to_string(), relative_target(link, &item.path)));
        }
    }
    for (place, file) in &work.files {
        let mode = if file.executable { 0o755 } else { 0o644 };
        entries.push(Entry { path: place.to_string(), kind: Kind::File { from: file.path.clone(), mode } });
    }
    let licences = job.need(licences::STEP)?.join(licences::IMAGE);
    for entry in walkdir::WalkDir::new(&licences).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot read {}", licences.display()))?;
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(&licences)?.display();
            entries.push(Entry::file(format!("{}/{name}", licences::PLACE), entry.path()));
        }
    }
    let PlannedBuild { revision, commit, mut besides, around } = work.build.clone();
    besides.extend(unlocked(job.needs.values().flat_map(|entry| entry.meta.sources.values())));
    let contents = contents(&entries, work, &around, &besides)?.to_string();
    let build = Some(Build { revision, commit, besides, contents });
    let info = job.out().join(INFO);
    files::write_atomically(&info, ReleaseInfo { build, ..work.info.clone() }.to_json()?)?;
    entries.push(Entry::file(release::PATH, info));
    // Of one program that packs: another one may compress otherwise.
    let kept = job.engine.cache.helpful("blocks", &job.entry(PACKER)?.meta.output)?;
    let (to, date) = (job.out().join(IMAGE), SourceDate(work.source_date));
    pack(job, &Order::Image { entries, to, date, kept: Some(kept) })
}

/// The digest of all that is packed: of what is in the image, what it says of itself, and what is around it.
fn contents(entries: &[Entry], work: &ImageBuild, around: &Sha256, besides: &[String]) -> Result<Sha256> {
    let mut hasher = Hasher::default();
    for part in [work.info.to_json()?, work.source_date.to_string(), around.to_string(), format!("{besides:?}")] {
        hasher.field(part.as_bytes());
    }
    for Entry { path, kind } in entries {
        let (mode, what) = match kind {
            Kind::File { from, mode } => {
                let digest = Sha256::of_file(from).with_context(|| format!("cannot read {}", from.display()))?;
                (*mode, digest.to_string())
            }
            Kind::Symlink { target } => (0, target.clone()),
            Kind::Directory { mode } => (*mode, String::new()),
        };
        for part in [path, &mode.to_string(), &what] {
            hasher.field(part.as_bytes());
        }
    }
    Ok(hasher.finish())
}

/// What no lock file says of the sources, in words: the commit has the lock files in it, and does not say it either.
pub(crate) fn unlocked<'s>(sources: impl Iterator<Item = &'s Fetched>) -> BTreeSet<String> {
    let unlocked = sources.filter(|source| source.answer.unlocked);
    unlocked.map(|source| format!("{} as its suite had it, not as it is locked", source.name)).collect()
}

/// What the image in the output of its step says of its build.
pub(crate) fn build(out: &Path) -> Result<Build> {
    let info = ReleaseInfo::from_json(&files::read(&out.join(INFO))?).context("the image does not say what it is")?;
    info.build.context("the image does not say which build it is")
}

/// The target of a link at `link` to `path`, both below the same root.
fn relative_target(link: &str, path: &str) -> String {
    let link: Vec<&str> = link.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    let shared = link.iter().zip(&path).take_while(|(a, b)| a == b).count().min(link.len() - 1).min(path.len() - 1);
    let up = std::iter::repeat_n("..", link.len() - 1 - shared);
    up.chain(path[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use common::Arch;
    use sources::{Answer, AnsweredBy, Form};
    use swix::release::ReleaseComponent;

    use super::*;

    fn work(version: &str) -> ImageBuild {
        let component = ReleaseComponent { name: "thing".into(), version: version.into() };
        let info = ReleaseInfo {
            name: "9.9".into(),
            version: "9.9.1".into(),
            arch: Arch::I386,
            build: None,
            components: vec![component],
            probes: vec![],
        };
        let around = Sha256::of_bytes("rootfs and packer");
        let build = PlannedBuild { revision: 1, commit: Some("abc".into()), besides: vec![], around };
        ImageBuild { source_date: 1_600_000_000, items: vec![], files: vec![], info, build }
    }

    /// The digest of one program, made in a directory of its own, and a link to it.
    fn of(program: &str, mode: u16, link: &str, work: &ImageBuild, around: &str) -> Sha256 {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("program");
        fs::write(&from, program).unwrap();
        let program = Entry { path: "bin/program".into(), kind: Kind::File { from, mode } };
        contents(&[program, Entry::symlink(link, "program")], work, &Sha256::of_bytes(around), &work.build.besides)
            .unwrap()
    }

    #[test]
    fn the_contents_digest_tells_every_byte_that_is_packed_and_not_the_folder() {
        let same = || of("a", 0o755, "bin/link", &work("1"), "around");
        let other_commit = PlannedBuild { commit: None, ..work("1").build };
        assert_eq!(same(), same(), "in another folder");
        assert_eq!(of("a", 0o755, "bin/link", &ImageBuild { build: other_commit, ..work("1") }, "around"), same());
        let others = [
            of("b", 0o755, "bin/link", &work("1"), "around"),
            of("a", 0o644, "bin/link", &work("1"), "around"),
            of("a", 0o755, "bin/other", &work("1"), "around"),
            of("a", 0o755, "bin/link", &work("2"), "around"),
            of("a", 0o755, "bin/link", &ImageBuild { source_date: 1, ..work("1") }, "around"),
            of("a", 0o755, "bin/link", &work("1"), "rootfs with a changed line"),
            same(),
        ];
        assert_eq!(BTreeSet::from(others).len(), others.len());
    }

    #[test]
    fn a_source_that_is_not_as_it_is_locked_is_told_once() {
        let source = |name: &str, unlocked: bool| {
            let (description, pin) = ("packages".to_owned(), "as it says".to_owned());
            let answer = Answer { by: AnsweredBy::Debian, description, pin, unlocked };
            let name = name.to_owned().try_into().unwrap();
            Fetched { name, version: "1".into(), answer, form: Form::Tree, files: vec![] }
        };
        let sources = [source("go", false), source("rust", true), source("rust", true)];
        let told = unlocked(sources.iter());
        assert_eq!(told, ["rust as its suite had it, not as it is locked".to_owned()].into());
    }

    #[test]
    fn links_lead_to_their_program_from_wherever_they_stand() {
        assert_eq!(relative_target("bin/kubelet", "bin/hyperkube"), "hyperkube");
        assert_eq!(relative_target("cni/bin/bridge", "cni/bin/cni"), "cni");
        assert_eq!(relative_target("cni/bin/bridge", "bin/cni"), "../../bin/cni");
        assert_eq!(relative_target("etcd", "bin/etcd"), "bin/etcd");
    }
}
