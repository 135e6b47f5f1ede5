//! Rust's standard library for musl, which Debian does not package, built from its source and laid
//! out like rustup's own musl target: rustc then links static programs with nothing but `gcc`.
//!
//! 1. An empty crate is compiled with `-Zbuild-std`, from the source and the vendored crates that
//!    come with the compiler, so that nothing is downloaded.
//! 2. The libraries go to `lib/rustlib/<target>/lib`, and beside them, in `self-contained/`, musl's
//!    and GCC's start files, musl's libc and a stand-in for libunwind: our programs end at a panic.

pub(crate) mod commands;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use common::{Arch, files};

use crate::{
    step::{Places, Sysroot},
    work::Job,
};

/// The functions of libunwind that std refers to, finding no frames.
pub(crate) const NO_UNWIND: &str = include_str!("no-unwind.c");

/// Where the unpacked compiler is, and the tools of this machine.
pub(crate) fn places(job: &Job, toolchain: &str) -> Result<Places> {
    let scratch = job.workshop.scratch();
    let places = Places::default().with("rust", job.need(&format!("unpack-{toolchain}"))?)?;
    places.with("scratch", scratch)?.with("tools", tools(job))
}

pub(crate) fn tools(job: &Job) -> PathBuf {
    job.workshop.scratch().join("tools")
}

/// Where an unpacked compiler has the headers of musl for an architecture.
pub(crate) fn headers(compiler: &Path, arch: Arch) -> PathBuf {
    compiler.join(format!("usr/include/{}-linux-musl", c_arch(arch)))
}

pub(crate) fn run(job: &Job, work: &Sysroot) -> Result<()> {
    let task = job.busy();
    let compiler = job.need(&format!("unpack-{}", work.toolchain))?;
    let scratch = job.workshop.scratch();
    let target = scratch.join("target");
    let triple = work.arch.rust_triple();
    let libraries = job.out().join("lib/rustlib").join(triple).join("lib");
    let places = places(job, &work.toolchain)?
        .with("rust-src", compiler.join("usr/lib/rustlib/src/rust"))?
        .with("target", &target)?
        .with("libraries", &libraries)?;
    work.host_tools.lay_out(&tools(job))?;
    files::write_atomically(&scratch.join("empty/src/lib.rs"), "#![no_std]\n")?;
    files::write_atomically(
        &scratch.join("empty/Cargo.toml"),
        "[package]\nname = \"empty\"\nedition = \"2021\"\n\n[profile.release]\nopt-level = \"z\"\ncodegen-units = 1\npanic = \"abort\"\n\n[workspace]\n",
    )?;
    task.doing("compiling the standard library");
    work.commands.compile.program(&places, "compile Rust's standard library")?.run_logged(job.log)?;

    task.doing("laying it out");
    files::create_dir(&libraries.join("self-contained"))?;
    for built in fs::read_dir(target.join(triple).join("release/deps"))? {
        let name = built?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty") {
            files::copy_atomically(&target.join(triple).join("release/deps").join(&name), &libraries.join(&name))?;
        }
    }
    start_files(&compiler, work.arch, &libraries.join("self-contained"))?;
    files::write_atomically(&scratch.join("no-unwind.c"), NO_UNWIND)?;
    let compile = work.commands.compile_no_unwind.program(&places, "compile the stand-in for libunwind")?;
    compile.run_logged(job.log)?;
    work.commands.pack_no_unwind.program(&places, "pack the stand-in for libunwind")?.run_logged(job.log)?;
    work.host_tools.unchanged()
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

/// What C compilers call it.
fn c_arch(arch: Arch) -> &'static str {
    match arch {
        Arch::I386 => "i386",
        Arch::Amd64 => "x86_64",
    }
}
