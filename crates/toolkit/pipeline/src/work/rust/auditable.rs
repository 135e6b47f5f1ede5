//! The list of a program's crates, written into the program in the form of `cargo auditable`: scanners read it there, and the bill
//! of materials is held against it.

use std::{io::Write, path::Path};

use anyhow::Result;
use common::files;
use flate2::{Compression, write::ZlibEncoder};

use super::crates::Crates;

/// Places the list in the section that is agreed on, under a name by which the linker can be told to keep it.
pub(crate) const SOURCE: &str = include_str!("auditable.s");
pub(super) const SOURCE_FILE: &str = "auditable.s";
pub(super) const OBJECT: &str = "auditable.o";

/// What rustc is told so that the list comes into a program; the linker has to find it.
pub(super) const LINKED: [&str; 2] = ["-Clink-arg=-l:auditable.o", "-Clink-arg=-Wl,--undefined=AUDITABLE_VERSION_INFO"];

/// Writes what is assembled.
pub(super) fn write(directory: &Path, crates: &Crates) -> Result<()> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&serde_json::to_vec(&crates.version_info()?)?)?;
    files::write_atomically(&directory.join("auditable.z"), packed.finish()?)?;
    files::write_atomically(&directory.join(SOURCE_FILE), SOURCE)
}

#[cfg(test)]
mod tests {
    use common::command::Program;

    use super::*;

    #[test]
    fn a_stripped_program_has_the_list_that_auditable_s_readers_find() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let crates = Crates::read("0p v0.1.0 (/w/p)\n1toml v0.9.12+spec-1.1.0\n2serde v1.0.229\n").unwrap();
        write(directory.path(), &crates).unwrap();
        let gcc = Program::new("gcc", "assemble").unwrap().args(["-m64", "-c", SOURCE_FILE, "-o", OBJECT]);
        gcc.dir(directory.path()).read().unwrap();
        files::write_atomically(&at("p.rs"), "fn main() {}\n").unwrap();
        let rustc = Program::new("rustc", "compile a program").unwrap().args([
            "--crate-name=p",
            "-Cstrip=symbols",
            "-Copt-level=z",
        ]);
        let rustc = rustc.args(LINKED).env("LIBRARY_PATH", directory.path());
        rustc.arg(at("p.rs")).arg("-o").arg(at("p")).run_logged(&at("log")).unwrap();
        let listed = swix::elf::rust::listed("p", &files::read(&at("p")).unwrap()).unwrap().unwrap();
        let serde = ("serde".to_owned(), "1.0.229".to_owned());
        let toml = ("toml".to_owned(), "0.9.12+spec-1.1.0".to_owned());
        assert_eq!(listed, [(toml, [serde.clone()].into()), (serde, [].into())].into());
        let plain = files::read(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(swix::elf::rust::listed("plain", &plain).unwrap(), None);
    }
}
