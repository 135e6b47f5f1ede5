//! The squashfs that is mounted on the switch: programs, links to them, container images, licences,
//! and `release.json`, which says what the programs are.

use anyhow::Result;
use common::files;
use swix::{
    SourceDate,
    packing::Order,
    release,
    tree::{Entry, Kind},
};

use crate::{
    step::ImageBuild,
    work::{
        Job,
        packer::{STEP as PACKER, pack},
    },
};

/// Where the image is in the step's output.
pub(crate) const IMAGE: &str = "programs.squashfs";

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
    for step in job.needs.keys() {
        let licences = job.need(step)?.join("licences");
        if let Some(name) = step.strip_prefix("go-").filter(|_| licences.is_dir()) {
            for entry in walkdir::WalkDir::new(&licences).min_depth(1).sort_by_file_name() {
                let entry = entry?;
                let place = format!("share/doc/{name}/{}", entry.file_name().to_string_lossy());
                entries.push(Entry::file(place, entry.path()));
            }
        }
    }
    let info = job.workshop.scratch().join("release.json");
    files::write_atomically(&info, work.info.to_json()?)?;
    entries.push(Entry::file(release::PATH, info));
    // Of one program that packs: another one may compress otherwise.
    let kept = job.engine.cache.helpful("blocks", &job.entry(PACKER)?.meta.output)?;
    let (to, date) = (job.out().join(IMAGE), SourceDate(work.source_date));
    pack(job, &Order::Image { entries, to, date, kept: Some(kept) })
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
    use super::*;

    #[test]
    fn links_lead_to_their_program_from_wherever_they_stand() {
        assert_eq!(relative_target("bin/kubelet", "bin/hyperkube"), "hyperkube");
        assert_eq!(relative_target("cni/bin/bridge", "cni/bin/cni"), "cni");
        assert_eq!(relative_target("cni/bin/bridge", "bin/cni"), "../../bin/cni");
        assert_eq!(relative_target("etcd", "bin/etcd"), "bin/etcd");
    }
}
