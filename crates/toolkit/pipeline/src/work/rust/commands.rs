//! The command lines of Cargo: what a plan says of the crates that are fetched, a program that is compiled, and a list of what
//! is in it.
//!
//! Each is run in the root directory: Cargo reads settings in the directories above the one it is run in, and a user's own
//! profile, wrapper or patch would change what is made. What it needs of a user's settings, `cargo_home` takes over.

use std::collections::BTreeMap;

use common::Arch;
use serde::Serialize;

use super::auditable;
use crate::{
    step::CommandLine,
    work::sysroot::commands::{cargo, linked_by},
};

/// Cargo's profile for programs that go onto the switch.
pub(super) const PROFILE: &str = "switch";

const MANIFEST: &str = "{workspace}/Cargo.toml";

/// Brings the crates that are needed for an architecture into `{cargo-home}`.
pub(crate) fn fetch(arch: Arch) -> CommandLine {
    let argv = ["fetch", "--locked", "--manifest-path", MANIFEST, "--target", arch.rust_triple()];
    cargo("/", argv).env("CARGO_HOME", "{cargo-home}")
}

/// Prints the crates that are in a package's program. Cargo wants crates for that which no program is made of, and which `fetch`
/// does not bring.
pub(crate) fn list(package: &str, arch: Arch) -> CommandLine {
    let of = ["tree", "--locked", "--manifest-path", MANIFEST, "--package", package, "--target", arch.rust_triple()];
    let how = ["--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", "{p}"];
    cargo("/", of.into_iter().chain(how)).env("CARGO_HOME", "{cargo-home}")
}

#[derive(Debug, Clone, Serialize)]
pub struct RustCommands {
    /// For each package of this workspace that is in the program: forgets what was compiled of it.
    pub clean: BTreeMap<String, CommandLine>,
    pub list: CommandLine,
    /// Makes a file for the linker of the list, as the program is to have it.
    pub assemble_list: CommandLine,
    pub compile: CommandLine,
}

pub(crate) fn program<'a>(
    name: &str,
    package: &str,
    example: bool,
    members: impl Iterator<Item = &'a str>,
    arch: Arch,
) -> RustCommands {
    let triple = arch.rust_triple();
    let of_profile = ["--profile", PROFILE, "--target", triple, "--target-dir", "{target}"];
    let clean = |member: &str| {
        let argv = ["clean", "--locked", "--offline", "--manifest-path", MANIFEST].into_iter().chain(of_profile);
        cargo("/", argv.chain(["--package", member])).env("CARGO_HOME", "{cargo-home}")
    };

    let compile = ["rustc", "--locked", "--offline", "--manifest-path", MANIFEST, "--package", package];
    let target = [if example { "--example" } else { "--bin" }, if example { name } else { package }];
    // For the program alone: what rustc is told for all crates, they are compiled anew for.
    let compile = compile.into_iter().chain(of_profile).chain(target).chain(["--"]).chain(auditable::LINKED);

    let bits = if arch.is_64_bit() { "-m64" } else { "-m32" };
    let assemble = ["gcc", bits, "-c", auditable::SOURCE_FILE, "-o", auditable::OBJECT];
    let with_home = |command: CommandLine| command.env("CARGO_HOME", "{cargo-home}");
    RustCommands {
        clean: members.map(|member| (member.to_owned(), clean(member))).collect(),
        list: list(package, arch),
        assemble_list: CommandLine::new("{auditable}", assemble).env("PATH", "{tools}"),
        // Where GCC looks for that file: in an argument, its place would be part of what Cargo tells crates apart by.
        compile: with_home(compiler(cargo("/", compile), arch)).env("LIBRARY_PATH", "{auditable}"),
    }
}

/// With the switch's standard library, GCC for what is in C, and nothing of this machine's directories in what is made.
fn compiler(command: CommandLine, arch: Arch) -> CommandLine {
    let remapped = [("{target}", "/build"), ("{workspace}", "/src"), ("{registry}", "/crates")];
    let own = ["--sysroot={sysroot}", "-Cforce-unwind-tables=no", "-Crelocation-model=static"];
    let remap = remapped.map(|(from, to)| format!("--remap-path-prefix={from}={to}"));
    let flags: Vec<&str> = own.into_iter().chain(remap.iter().map(String::as_str)).collect();
    let in_c = remapped.map(|(from, to)| format!(" -ffile-prefix-map={from}={to}")).concat();
    let lower = arch.rust_triple().replace('-', "_");
    linked_by(command, &flags)
        .env(&format!("CARGO_TARGET_{}_LINKER", lower.to_uppercase()), "gcc")
        .env(&format!("CC_{lower}"), "gcc")
        .env(&format!("CFLAGS_{lower}"), format!("-nostdinc -isystem {{headers}}{in_c}"))
}
