//! dist/, for those who use what a build published there.

use std::{
    env,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result};

/// Where tests find what was built: `$KOE_DIST`, else the dist/ of this workspace.
pub fn directory() -> PathBuf {
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../dist");
    env::var_os("KOE_DIST").map_or_else(ours, PathBuf::from)
}

/// The SWIX that was published last.
pub fn newest_swix(dist: &Path) -> Result<PathBuf> {
    let none = || format!("there is no SWIX in {}: run `cargo xtask build-swix` first", dist.display());
    let files = dist.read_dir().with_context(none)?.flatten().map(|entry| entry.path());
    let swixes = files.filter(|path| path.extension().is_some_and(|extension| extension == "swix"));
    swixes.max_by_key(|path| modified(path)).with_context(none)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|data| data.modified()).ok()
}

/// A program that is published beside it, `NAME-VERSION-PLATFORM`: where there are several, the last one.
pub fn program(dist: &Path, name: &str, platform: &str) -> Option<PathBuf> {
    let files = dist.read_dir().ok()?.flatten().map(|entry| entry.path());
    let (begin, end) = (format!("{name}-"), format!("-{platform}"));
    let is_it = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&begin) && file.ends_with(&end)
    };
    files.filter(is_it).max_by_key(|path| modified(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_newest_swix_is_the_one_that_was_published_last() {
        let dist = tempfile::tempdir().unwrap();
        let error = newest_swix(dist.path()).unwrap_err().to_string();
        assert!(error.contains("cargo xtask build-swix") && error.contains(dist.path().to_str().unwrap()), "{error}");
        for (name, age) in [("b.swix", 10), ("a.swix", 5), ("c.swix", 20), ("newer.rpm", 0)] {
            let file = fs::File::create(dist.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
        }
        assert_eq!(newest_swix(dist.path()).unwrap(), dist.path().join("a.swix"));
    }

    #[test]
    fn a_program_beside_the_swix_is_found_by_its_name_and_platform() {
        let dist = tempfile::tempdir().unwrap();
        for (name, age) in
            [("kubectl-1.9.1-linux-amd64", 10), ("kubectl-1.20.2-linux-amd64", 5), ("kubectl-1.20.3-linux-386", 0)]
        {
            let file = fs::File::create(dist.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
        }
        let found = program(dist.path(), "kubectl", "linux-amd64").unwrap();
        assert_eq!(found, dist.path().join("kubectl-1.20.2-linux-amd64"));
        assert_eq!(program(dist.path(), "flanneld", "linux-386"), None);
        assert_eq!(program(&dist.path().join("nowhere"), "kubectl", "linux-386"), None);
    }
}
