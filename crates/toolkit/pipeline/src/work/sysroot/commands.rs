//! The command lines that make Rust's standard library for the switch, and how each Cargo of a build is run.

use common::Arch;
use serde::Serialize;

use crate::step::CommandLine;

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\x1f";

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SysrootCommands {
    pub compile: CommandLine,
    pub compile_no_unwind: CommandLine,
    pub pack_no_unwind: CommandLine,
}

pub(crate) fn sysroot(arch: Arch) -> SysrootCommands {
    let bits = if arch.is_64_bit() { "-m64" } else { "-m32" };
    let gcc = ["gcc", bits, "-Os", "-ffunction-sections", "-fno-asynchronous-unwind-tables", "-c", "no-unwind.c"];
    let in_scratch = |argv: Vec<&str>| CommandLine::new("{scratch}", argv).env("PATH", "{tools}");
    SysrootCommands {
        compile: standard_library(arch),
        compile_no_unwind: in_scratch([gcc.as_slice(), &["-o", "no-unwind.o"]].concat()),
        pack_no_unwind: in_scratch(vec!["ar", "crsD", "{libraries}/self-contained/libunwind.a", "no-unwind.o"]),
    }
}

/// From the source and the vendored crates that come with the compiler: nothing is downloaded.
fn standard_library(arch: Arch) -> CommandLine {
    let flags = [
        "-Cembed-bitcode=yes",
        "-Cforce-unwind-tables=no",
        "-Crelocation-model=static",
        "--remap-path-prefix={rust-src}=/rustc",
        "--remap-path-prefix={target}=/build",
    ];
    let what = ["build", "--release", "--offline", "--manifest-path", "{scratch}/empty/Cargo.toml"];
    let std = ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"];
    let vendored = [
        "--config",
        "source.crates-io.replace-with=\"rust-src\"",
        "--config",
        "source.rust-src.directory=\"{rust-src}/library/vendor\"",
    ];
    let target = ["--target", arch.rust_triple(), "--target-dir", "{target}"];
    let argv = what.into_iter().chain(std).chain(vendored).chain(target);
    linked_by(cargo("/", argv), &flags).env("CARGO_HOME", "{scratch}/cargo-home").env("RUSTC_BOOTSTRAP", "1")
}

/// Cargo of the toolchain that was unpacked.
pub(crate) fn cargo<'a>(directory: &str, argv: impl IntoIterator<Item = &'a str>) -> CommandLine {
    CommandLine::new(directory, std::iter::once("{rust}/usr/bin/cargo").chain(argv))
        .env("LD_LIBRARY_PATH", "{rust}/usr/lib/x86_64-linux-gnu")
        .env("RUSTC", "{rust}/usr/bin/rustc")
        .env("HOME", "{scratch}")
        .env("TMPDIR", "{scratch}")
}

/// With these flags for the compiler, and this machine's tools, which are part of the step's key, and no others.
pub(crate) fn linked_by(command: CommandLine, flags: &[&str]) -> CommandLine {
    command.env("PATH", "{tools}").env("CARGO_ENCODED_RUSTFLAGS", flags.join(SEPARATOR))
}
