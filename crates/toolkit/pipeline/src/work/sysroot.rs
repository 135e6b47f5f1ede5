//! Rust's standard library for musl, which Debian does not package, built from its source and laid
//! out like rustup's own musl target: rustc then links static programs with nothing but `gcc`.
//!
//! 1. An empty crate is compiled with `-Zbuild-std`, from the source and the vendored crates that
//!    come with the compiler, so that nothing is downloaded.
//! 2. The libraries go to `lib/rustlib/<target>/lib`, and beside them, in `self-contained/`, musl's
//!    and GCC's start files, musl's libc and a stand-in for libunwind: our programs end at a panic.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use common::{Arch, command::Program, files};

use crate::{step::Sysroot, work::Job};

/// The functions of libunwind that std refers to, finding no frames.
pub(crate) const NO_UNWIND: &str = include_str!("no-unwind.c");

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\x1f";

/// The unpacked compiler.
pub(crate) struct Compiler {
    root: PathBuf,
}

impl Compiler {
    pub(crate) fn of(job: &Job, toolchain: &str) -> Result<Self> {
        Ok(Compiler { root: job.need(&format!("unpack-{toolchain}"))? })
    }

    /// Cargo with this compiler, these flags and nothing of the user's environment but the network's.
    pub(crate) fn cargo(&self, flags: &[String], purpose: &str) -> Result<Program> {
        Ok(Program::new(self.root.join("usr/bin/cargo"), purpose)?
            .clean_env()
            .env("LD_LIBRARY_PATH", self.root.join("usr/lib/x86_64-linux-gnu"))
            .env("RUSTC", self.root.join("usr/bin/rustc"))
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join(SEPARATOR)))
    }

    /// Where the headers of musl for an architecture are.
    pub(crate) fn headers(&self, arch: Arch) -> PathBuf {
        self.root.join(format!("usr/include/{}-linux-musl", c_arch(arch)))
    }
}

pub(crate) fn run(job: &Job, work: &Sysroot) -> Result<()> {
    let task = job.busy();
    let compiler = Compiler::of(job, &work.toolchain)?;
    let scratch = job.workshop.scratch();
    let target = scratch.join("target");
    task.doing("compiling the standard library");
    compile_std(job, work.arch, &compiler, &target)?;

    task.doing("laying it out");
    let triple = work.arch.rust_triple();
    let libraries = job.out().join("lib/rustlib").join(triple).join("lib");
    files::create_dir(&libraries.join("self-contained"))?;
    for built in fs::read_dir(target.join(triple).join("release/deps"))? {
        let name = built?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty") {
            files::copy_atomically(&target.join(triple).join("release/deps").join(&name), &libraries.join(&name))?;
        }
    }
    start_files(&compiler.root, work.arch, &libraries.join("self-contained"))?;
    no_unwind(job, work.arch, &libraries.join("self-contained/libunwind.a"))
}

fn compile_std(job: &Job, arch: Arch, compiler: &Compiler, target: &Path) -> Result<()> {
    let source = compiler.root.join("usr/lib/rustlib/src/rust");
    let package = job.workshop.scratch().join("empty");
    files::write_atomically(&package.join("src/lib.rs"), "#![no_std]\n")?;
    files::write_atomically(
        &package.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nedition = \"2021\"\n\n[profile.release]\nopt-level = \"z\"\ncodegen-units = 1\npanic = \"abort\"\n\n[workspace]\n",
    )?;
    let flags = [
        "-Cembed-bitcode=yes".to_owned(),
        "-Cforce-unwind-tables=no".to_owned(),
        "-Crelocation-model=static".to_owned(),
        format!("--remap-path-prefix={}=/rustc", source.display()),
        format!("--remap-path-prefix={}=/build", target.display()),
    ];
    compiler
        .cargo(&flags, "compile Rust's standard library")?
        .env("CARGO_HOME", job.workshop.scratch().join("cargo-home"))
        .env("RUSTC_BOOTSTRAP", "1")
        .args([
            "build",
            "--release",
            "--offline",
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=optimize_for_size",
        ])
        .args(["--config", "source.crates-io.replace-with=\"rust-src\""])
        .args(["--config", &format!("source.rust-src.directory={:?}", source.join("library/vendor"))])
        .args(["--target", arch.rust_triple(), "--target-dir"])
        .arg(target)
        .dir(&package)
        .run_logged(job.log)
}

/// What a static program begins and ends with, and its libc.
fn start_files(root: &Path, arch: Arch, to: &Path) -> Result<()> {
    let musl = root.join(format!("usr/lib/{}-linux-musl", c_arch(arch)));
    for name in ["crt1.o", "crti.o", "crtn.o", "libc.a"] {
        files::copy_atomically(&musl.join(name), &to.join(name))?;
    }
    let gcc = root.join("usr/lib/gcc").join(match arch {
        Arch::I386 => "i686-linux-gnu",
        Arch::Amd64 => "x86_64-linux-gnu",
    });
    let versions = fs::read_dir(&gcc).with_context(|| format!("the toolchain has no {}", gcc.display()))?;
    let Some(version) = versions.flatten().next() else { bail!("the toolchain has nothing in {}", gcc.display()) };
    for name in ["crtbegin.o", "crtend.o"] {
        files::copy_atomically(&version.path().join(name), &to.join(name))?;
    }
    Ok(())
}

fn no_unwind(job: &Job, arch: Arch, to: &Path) -> Result<()> {
    let source = job.workshop.scratch().join("no-unwind.c");
    let object = source.with_extension("o");
    files::write_atomically(&source, NO_UNWIND)?;
    let bits = if arch.is_64_bit() { "-m64" } else { "-m32" };
    Program::new("gcc", "compile the stand-in for libunwind")?
        .args([bits, "-Os", "-ffunction-sections", "-fno-asynchronous-unwind-tables", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&object)
        .run_logged(job.log)?;
    Program::new("ar", "pack the stand-in for libunwind")?.arg("crsD").arg(to).arg(&object).run_logged(job.log)
}

/// What C compilers call it.
fn c_arch(arch: Arch) -> &'static str {
    match arch {
        Arch::I386 => "i386",
        Arch::Amd64 => "x86_64",
    }
}
