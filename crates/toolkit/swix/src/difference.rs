//! What another SWIX brings to a switch: components, files, and the lines of those that are text, units and scripts among them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use common::{Progress, Sha256};
use serde::Serialize;
use similar::TextDiff;

use crate::{
    extension,
    inspect::{self, ImageKind, InspectError, Inspection, Opened, Probes},
    rpm::FileKind,
};

/// Longer text is no unit and no script.
const MOST_TEXT: u64 = 256 * 1024;

/// How many equal lines are shown around changed ones.
const AROUND: usize = 1;

#[derive(Debug, Serialize)]
pub struct Difference {
    pub old: Package,
    pub new: Package,
    pub components: Vec<Change<String>>,
    /// By their paths on the switch; scriptlets stand as `%post` and `%preun`.
    pub files: Vec<FileChange>,
}

/// Which SWIX it is.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Name, version, release and architecture, as rpm puts them together.
    pub name: String,
    pub sha256: Sha256,
    pub size: u64,
    pub signature: String,
}

/// None on one side where it is not there.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change<T> {
    pub name: String,
    pub old: Option<T>,
    pub new: Option<T>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    #[serde(flatten)]
    pub change: Change<What>,
    /// The changed lines, as `diff -u` writes them, where both are text.
    pub lines: Option<String>,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum What {
    File { size: u64, mode: u16, sha256: Sha256 },
    Symlink { target: String },
    Directory { mode: u16 },
    Scriptlet,
}

struct Side {
    package: Package,
    components: BTreeMap<String, String>,
    files: BTreeMap<String, What>,
    texts: BTreeMap<String, String>,
}

/// Verifies both and compares them.
pub fn of(old: &Path, new: &Path, progress: &dyn Progress) -> Result<Difference, InspectError> {
    let (old, new) = (side(old, progress)?, side(new, progress)?);
    let files = changes(&old.files, &new.files).into_iter().filter_map(|change| {
        let [before, after] = [&old.texts, &new.texts].map(|texts| texts.get(&change.name));
        let lines = before.zip(after).filter(|(before, after)| before != after).map(|(before, after)| {
            TextDiff::from_lines(before, after).unified_diff().context_radius(AROUND).to_string()
        });
        // Of scriptlets it is only their text that differs.
        let same = change.old == change.new && lines.is_none();
        (!same).then_some(FileChange { change, lines })
    });
    let files = files.collect();
    let components = changes(&old.components, &new.components);
    let components = components.into_iter().filter(|change| change.old != change.new).collect();
    Ok(Difference { old: old.package, new: new.package, components, files })
}

/// Every name of both, with what each has of it.
fn changes<T: Clone>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<Change<T>> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change =
        |name: &String| Change { name: name.clone(), old: old.get(name).cloned(), new: new.get(name).cloned() };
    names.into_iter().map(change).collect()
}

fn side(path: &Path, progress: &dyn Progress) -> Result<Side, InspectError> {
    let Opened { report, image, data } = inspect::open(path, Probes::Skip, progress)?;
    let (mut files, mut texts) = (BTreeMap::new(), BTreeMap::new());
    let mut add = |path: String, what: What, bytes: &mut dyn FnMut() -> Option<Vec<u8>>| {
        if matches!(what, What::File { size, .. } if size <= MOST_TEXT)
            && let Some(text) = bytes().and_then(|bytes| String::from_utf8(bytes).ok())
        {
            texts.insert(path.clone(), text);
        }
        files.insert(path, what);
    };
    // The image is compared file by file.
    for file in report.rpm.files.iter().filter(|file| file.path != extension::IMAGE) {
        let mode = file.mode & 0o7777;
        let what = match &file.kind {
            FileKind::Regular { size, sha256 } => What::File { size: *size, mode, sha256: *sha256 },
            FileKind::Symlink { target } => What::Symlink { target: target.clone() },
            FileKind::Directory => What::Directory { mode },
        };
        add(file.path.clone(), what, &mut || data.get(&file.path).cloned());
    }
    for entry in &report.image {
        let what = match &entry.kind {
            ImageKind::Program { size, mode, sha256, .. } | ImageKind::File { size, mode, sha256 } => {
                What::File { size: *size, mode: *mode, sha256: *sha256 }
            }
            ImageKind::Symlink { target } => What::Symlink { target: target.display().to_string() },
            ImageKind::Directory { mode } => What::Directory { mode: *mode },
        };
        let place = format!("{}/{}", extension::MOUNT_POINT, entry.path);
        add(place, what, &mut || image.read(&entry.path).ok());
    }
    for (name, script) in [("%post", &report.rpm.scriptlets.post), ("%preun", &report.rpm.scriptlets.preun)] {
        if let Some(script) = script {
            files.insert(name.to_owned(), What::Scriptlet);
            texts.insert(name.to_owned(), script.clone());
        }
    }
    let components = report.release.components.iter().map(|of| (of.name.clone(), of.version.clone())).collect();
    Ok(Side { package: package(&report), components, files, texts })
}

fn package(report: &Inspection) -> Package {
    let header = &report.rpm.header;
    Package {
        name: format!("{}-{}-{}.{}", header.name, header.version, header.release, header.arch),
        sha256: report.sha256,
        size: report.size,
        signature: report.signature.to_string(),
    }
}
