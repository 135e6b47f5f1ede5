//! The licences of a Rust program's parts: crates have them beside their source in Cargo's cache; those of the standard library,
//! of musl and of GCC are as Debian states them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use common::files;
use serde::Deserialize;

use super::{Collected, Found, files_of};
use crate::{
    modules,
    step::RustCode,
    work::{Job, rust, rust_std},
};

pub(super) fn collect(job: &Job, code: &RustCode, collected: &mut Collected) -> Result<()> {
    let (work, program) = (collected.work, &collected.work.of);
    let own = Found { licence: Some(program.license.clone()), ..Found::beside_its_source(vec![work.own.path.clone()]) };
    collected.add(&program.itself(), own)?;
    let (registry, _) = rust::fetch(job, &code.toolchain, &code.fetch, &work.workspace)?;
    for module in modules::read(&job.need(&program.step)?)? {
        let source = source(&registry, &module.path, module.version.as_deref().unwrap_or_default())?;
        let licence = stated(&source)?;
        let found = Found { licence, ..Found::beside_its_source(files_of::below(&source)?) };
        collected.add(&module, found)?;
    }
    let documents = job.need(&format!("unpack-{}", code.toolchain))?.join("usr/share/doc");
    for linked in rust_std::linked(job, &code.toolchain)? {
        let file = documents.join(&linked.documents).join("copyright");
        let found = Found { licence: linked.licence, ..Found::in_debian_package(&linked.documents, file) };
        collected.add(&linked.module, found)?;
    }
    Ok(())
}

/// Where Cargo unpacked a crate.
fn source(registry: &Path, name: &str, version: &str) -> Result<PathBuf> {
    let directory = registry.join(format!("{name}-{version}"));
    ensure!(
        directory.is_dir(),
        "the source of {name} {version} is not in {}, where cargo fetch puts it",
        registry.display()
    );
    Ok(directory)
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    license: Option<String>,
}

/// What a crate states in its Cargo.toml, as SPDX writes it today: once a slash stood for OR.
pub(crate) fn stated(source: &Path) -> Result<Option<String>> {
    let file = source.join("Cargo.toml");
    let manifest: Manifest =
        toml::from_str(&files::read_text(&file)?).with_context(|| format!("cannot understand {}", file.display()))?;
    Ok(manifest.package.license.map(|license| license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_s_licence_is_an_spdx_expression_however_old_it_is() {
        let crate_ = tempfile::tempdir().unwrap();
        let license = |line: &str| {
            let text = format!("[package]\nname = \"a\"\n{line}\n");
            files::write_atomically(&crate_.path().join("Cargo.toml"), text).unwrap();
            stated(crate_.path()).unwrap()
        };
        assert_eq!(license("license = \"Unlicense/MIT\"").as_deref(), Some("Unlicense OR MIT"));
        assert_eq!(license("license = \"MIT OR Apache-2.0\"").as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(license(""), None);
    }

    #[test]
    fn a_crate_that_is_not_there_is_named_with_its_version() {
        let registry = tempfile::tempdir().unwrap();
        files::create_dir(&registry.path().join("a-1.0.0")).unwrap();
        assert!(source(registry.path(), "a", "1.0.0").unwrap().ends_with("a-1.0.0"));
        let error = source(registry.path(), "a", "1.0.1").unwrap_err().to_string();
        assert!(error.contains("the source of a 1.0.1 is not in"), "{error}");
    }
}
