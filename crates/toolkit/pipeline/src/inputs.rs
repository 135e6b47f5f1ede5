//! Whether what a step reads of the working tree is still what its key says, once it has been carried out: what was made of
//! other files never enters the cache under that key.

use anyhow::{Context, Result, bail, ensure};

use crate::{
    rust_files,
    step::{Crates, InputFile, Provenance, RustBuild, Sbom, Step, Work},
    work::packer,
};

/// Fails with the first file that is another one than when the build was planned.
pub fn unchanged(step: &Step) -> Result<()> {
    match &step.work {
        Work::Tree(work) => same(&work.patches, &again(&work.patches)?),
        Work::Proof(work) => same(&work.series, &again(&work.series)?),
        Work::Crates(Crates { lock, .. })
        | Work::Sbom(Sbom { lock, .. })
        | Work::Provenance(Provenance { lock, .. }) => {
            let lock = std::slice::from_ref(lock);
            same(lock, &again(lock)?)
        }
        Work::Rust(work) => program_unchanged(work),
        Work::Packer(work) => same(&work.files, &rust_files::of_package(&work.workspace, packer::PACKAGE)?),
        Work::ProgramLicences(work) => {
            let given = work.given.iter().map(|given| &given.file);
            let files: Vec<InputFile> = given.chain([&work.own]).cloned().collect();
            same(&files, &again(&files)?)
        }
        Work::Image(work) => {
            let files: Vec<InputFile> = work.files.iter().map(|(_, file)| file.clone()).collect();
            same(&files, &again(&files)?)
        }
        Work::Vex(work) => {
            let files = [&work.units[..], &work.files].concat();
            same(&files, &again(&files)?)
        }
        Work::Package(work) => same(&work.rootfs, &InputFile::below(&work.rootfs_directory)?),
        // A fetch compares what it was given itself; the others read what steps have made.
        Work::Fetch(_)
        | Work::Unpack(_)
        | Work::Go(_)
        | Work::Sysroot(_)
        | Work::Check(_)
        | Work::ModuleGraph(_)
        | Work::Licences(_)
        | Work::ContainerImage(_)
        | Work::Swix(_)
        | Work::SuiteFiles(_)
        | Work::SuiteProgram(_) => Ok(()),
    }
}

/// The same for the sources of a program that is in Rust.
pub(crate) fn program_unchanged(work: &RustBuild) -> Result<()> {
    same(&work.files, &rust_files::of_package(&work.workspace, &work.package)?)
}

fn again(planned: &[InputFile]) -> Result<Vec<InputFile>> {
    let read = |file: &InputFile| {
        InputFile::new(file.name.clone(), &file.path)
            .with_context(|| format!("{} was there when the build was planned: run again", file.path.display()))
    };
    planned.iter().map(read).collect()
}

fn same(planned: &[InputFile], now: &[InputFile]) -> Result<()> {
    for (planned, now) in planned.iter().zip(now) {
        let is_same = (&planned.name, planned.sha256, planned.executable, planned.change)
            == (&now.name, now.sha256, now.executable, now.change);
        if !is_same {
            // Of two names the earlier one came or went.
            let path = if now.name < planned.name { &now.path } else { &planned.path };
            bail!("{} changed while it was being used: nothing of it is kept; run again", path.display());
        }
    }
    let other = planned.get(now.len()).or(now.get(planned.len()));
    ensure!(
        other.is_none(),
        "{} came or went while the step ran: nothing of it is kept; run again",
        other.map(|file| file.path.display().to_string()).unwrap_or_default()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn changed(change: impl FnOnce(&Path)) -> String {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("rootfs");
        fs::create_dir(&at).unwrap();
        for name in ["b", "d"] {
            fs::write(at.join(name), name).unwrap();
        }
        let planned = InputFile::below(&at).unwrap();
        same(&planned, &InputFile::below(&at).unwrap()).unwrap();
        change(&at);
        let error = same(&planned, &InputFile::below(&at).unwrap()).unwrap_err().to_string();
        error.replace(&format!("{}/", at.display()), "")
    }

    #[test]
    fn a_file_that_changed_came_or_went_is_named() {
        assert!(changed(|at| fs::write(at.join("d"), "other").unwrap()).starts_with("d changed"));
        assert!(changed(|at| fs::remove_file(at.join("b")).unwrap()).starts_with("b changed"));
        assert!(changed(|at| fs::remove_file(at.join("d")).unwrap()).starts_with("d came or went"));
        assert!(changed(|at| fs::write(at.join("c"), "").unwrap()).starts_with("c changed"));
        assert!(changed(|at| fs::write(at.join("e"), "").unwrap()).starts_with("e came or went"));
        let executable = |at: &Path| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(at.join("b"), fs::Permissions::from_mode(0o755)).unwrap();
        };
        assert!(changed(executable).starts_with("b changed"));
        // A file that was another one while a compiler read it.
        let there_and_back = |at: &Path| {
            let written = fs::metadata(at.join("b")).unwrap().modified().unwrap();
            fs::rename(at.join("b"), at.join("b.bak")).unwrap();
            fs::write(at.join("b"), "other").unwrap();
            fs::rename(at.join("b.bak"), at.join("b")).unwrap();
            assert_eq!(fs::metadata(at.join("b")).unwrap().modified().unwrap(), written);
        };
        assert!(changed(there_and_back).starts_with("b changed"));
    }
}
