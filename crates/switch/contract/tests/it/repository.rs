//! The repository's files, and what stands in them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use contract::places;

/// A file by its path in the repository.
pub struct Text {
    pub name: String,
    pub text: String,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

pub fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every file below directories of the repository that is text and whose name is asked for.
pub fn texts(directories: &[&str], asked_for: impl Fn(&str) -> bool) -> Vec<Text> {
    let root = root();
    let mut open: Vec<PathBuf> = directories.iter().map(|directory| root.join(directory)).collect();
    let mut found = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else if asked_for(&name)
                && let Ok(text) = fs::read_to_string(&path)
            {
                found.push(Text { name, text });
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// What runs or lies on a switch, or on what stands in for one, and is no Rust; unit templates with their places filled in.
pub fn no_rust() -> Vec<Text> {
    let mut texts = texts(&["rootfs", "docker", "recipes", "topo", "crates", "xtask"], |name| {
        ![".rs", ".md"].iter().any(|end| name.ends_with(end)) && !name.contains("/tests/")
    });
    for Text { text, .. } in &mut texts {
        for (value, place) in VALUES {
            *text = text.replace(value, place);
        }
    }
    for file in ["first-boot", "programs"].map(|name| format!("rootfs/usr/libexec/kubernetes-on-eos/{name}")) {
        assert!(texts.iter().any(|text| text.name == file), "{file} is not looked at");
    }
    texts
}

/// What a unit template names, and where that is: as `cluster::units` fills it in.
const VALUES: [(&str, &str); 7] = [
    ("{{ bin }}", places::BIN),
    ("{{ cni_plugins }}", places::CNI_PLUGINS),
    ("{{ units }}", places::UNIT_TEMPLATES),
    ("{{ state }}", places::STATE),
    ("{{ pki }}", places::PKI),
    ("{{ kubeconfigs }}", places::KUBECONFIGS),
    ("{{ run }}", places::RUN),
];

/// Where a pattern stands in a text: the line's number, what is before it in the line, and what is behind it.
pub fn found<'a>(text: &'a str, pattern: &'a str) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
    text.lines().enumerate().flat_map(move |(number, line)| {
        let places = line.match_indices(pattern);
        places.map(move |(at, _)| (number + 1, &line[..at], &line[at + pattern.len()..]))
    })
}

/// Fails with all of them, where there are any.
pub fn none_of(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
