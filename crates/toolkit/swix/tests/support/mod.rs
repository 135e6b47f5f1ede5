//! A small but whole SWIX, as the build makes one, and the real tools that judge it.

// Each test program uses its own part of this.
#![allow(dead_code, unreachable_pub)]

pub mod i386_root;
pub mod python;
pub mod swi_tools;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use common::{Arch, command::Program, progress::Silent};
use contract::Build;
use swix::{
    SourceDate, archive, extension,
    inspect::Inspection,
    release::{self, Probe, ReleaseComponent, ReleaseInfo},
    squashfs,
    tree::Entry,
};

pub const DATE: SourceDate = SourceDate(1_610_541_600);
pub const VERSION: &str = "1.20.2";
pub const LICENSE: &str = "(Apache-2.0 OR MIT) AND BSD-3-Clause";

/// The files that go onto the switch as they are.
pub fn rootfs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../rootfs")
}

/// A static program of a hundred-odd bytes that prints `line` and ends: a real one, in machine code.
pub fn program(arch: Arch, line: &str) -> Vec<u8> {
    let text = format!("{line}\n");
    let (base, headers) = if arch.is_64_bit() { (0x40_0000_u32, 120_u32) } else { (0x0804_8000, 84) };
    let length = text.len() as u32;
    const CODE: u32 = 31;
    let message = base + headers + CODE;
    let call = |write: u32, first: u8, exit: u32, zero: u8, trap: [u8; 2], second: u8| {
        let mut code = vec![0xb8];
        code.extend(write.to_le_bytes());
        code.extend([first, 1, 0, 0, 0, second]);
        code.extend(message.to_le_bytes());
        code.push(0xba);
        code.extend(length.to_le_bytes());
        code.extend(trap);
        code.push(0xb8);
        code.extend(exit.to_le_bytes());
        code.extend([0x31, zero]);
        code.extend(trap);
        code
    };
    let code = match arch {
        Arch::I386 => call(4, 0xbb, 1, 0xdb, [0xcd, 0x80], 0xb9),
        Arch::Amd64 => call(1, 0xbf, 60, 0xff, [0x0f, 0x05], 0xbe),
    };
    assert_eq!(code.len() as u32, CODE);
    let size = headers + CODE + length;
    let mut bytes = vec![0x7f, b'E', b'L', b'F', if arch.is_64_bit() { 2 } else { 1 }, 1, 1, 0];
    bytes.resize(16, 0);
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend(arch.elf_machine().to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    let mut word = |value: u32| match arch {
        Arch::I386 => bytes.extend(value.to_le_bytes()),
        Arch::Amd64 => bytes.extend(u64::from(value).to_le_bytes()),
    };
    let file_header = headers - if arch.is_64_bit() { 56 } else { 32 };
    [base + headers, file_header, 0].into_iter().for_each(&mut word);
    bytes.extend(0_u32.to_le_bytes());
    let entry_size = (headers - file_header) as u16;
    [file_header as u16, entry_size, 1, 0, 0, 0].iter().for_each(|half| bytes.extend(half.to_le_bytes()));
    let words: &[u32] = match arch {
        Arch::I386 => &[1, 0, base, base, size, size, 5, 0x1000],
        Arch::Amd64 => &[1, 5, 0, 0, base, 0, base, 0, size, 0, size, 0, 0x1000, 0],
    };
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    bytes.extend(code);
    bytes.extend(text.bytes());
    bytes
}

/// Bytes that do not compress, the same at every run.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}

pub fn release(arch: Arch) -> ReleaseInfo {
    let probe = |program: &str| Probe {
        program: program.into(),
        args: vec!["--version".into()],
        env: BTreeMap::new(),
        expect: format!("Kubernetes v{VERSION}"),
    };
    ReleaseInfo {
        name: "1.20".into(),
        version: VERSION.into(),
        arch,
        build: None,
        components: vec![ReleaseComponent { name: "kubernetes".into(), version: format!("v{VERSION}") }],
        probes: vec![probe("bin/hyperkube"), probe("bin/kubelet")],
    }
}

/// What goes into the sample's image, written below `directory`.
pub fn image_entries(directory: &Path, arch: Arch) -> Vec<Entry> {
    let hyperkube = directory.join("hyperkube");
    fs::write(&hyperkube, program(arch, &format!("Kubernetes v{VERSION}"))).unwrap();
    let info = directory.join("release.json");
    fs::write(&info, release(arch).to_json().unwrap()).unwrap();
    vec![
        Entry::program("bin/hyperkube", hyperkube),
        Entry::symlink("bin/kubelet", "hyperkube"),
        Entry::file(release::PATH, info),
    ]
}

pub struct Sample {
    pub image: PathBuf,
    pub rpm: PathBuf,
    pub swix: PathBuf,
}

/// A build as this toolkit names it; the other samples are as earlier ones made them.
pub fn build(revision: u32, digit: &str) -> Build {
    Build { revision, commit: Some(digit.repeat(40)), besides: vec![], contents: digit.repeat(64) }
}

/// A sample that is of a build, as its image says, with a package of some release.
pub fn sample_of(directory: &Path, build: &Build, release: &str) -> Sample {
    let entries = image_entries(directory, Arch::I386);
    let info = ReleaseInfo { build: Some(build.clone()), ..self::release(Arch::I386) };
    fs::write(directory.join("release.json"), info.to_json().unwrap()).unwrap();
    packed(directory, VERSION, release, &entries, Arch::I386)
}

/// Writes image, RPM and SWIX below `directory`.
pub fn sample(directory: &Path, version: &str, entries: &[Entry], arch: Arch) -> Sample {
    packed(directory, version, "1", entries, arch)
}

fn packed(directory: &Path, version: &str, release: &str, entries: &[Entry], arch: Arch) -> Sample {
    let image = directory.join("programs.squashfs");
    squashfs::write(entries, &image, DATE, &Silent).unwrap();
    let rootfs = rootfs();
    let (license, date) = (LICENSE, DATE);
    let parts = extension::ExtensionParts { version, release, arch, license, image: &image, rootfs: &rootfs, date };
    let package = extension::package(&parts).unwrap();
    let rpm = directory.join(package.file_name());
    package.write(&rpm).unwrap();
    let swix = directory.join(format!("kubernetes-on-eos-{version}-{arch}.swix"));
    archive::write(std::slice::from_ref(&rpm), &swix).unwrap();
    Sample { image, rpm, swix }
}

/// A sample of its own directory, for linux/386.
pub fn default_sample() -> (tempfile::TempDir, Sample) {
    let directory = tempfile::tempdir().unwrap();
    let entries = image_entries(directory.path(), Arch::I386);
    let sample = sample(directory.path(), VERSION, &entries, Arch::I386);
    (directory, sample)
}

/// A real tool, which has to be there: a test that cannot run must not pass.
pub fn tool(name: &str) -> Program {
    if common::command::find_on_path(name).is_none() {
        panic!("{name} is required by this test; .ci/run installs the Debian packages that tests need");
    }
    Program::new(name, "test the package").unwrap().env("LC_ALL", "C")
}

/// Runs a tool to success and returns what it printed.
pub fn run(program: Program) -> String {
    program.read().unwrap_or_else(|error| panic!("{error:#}"))
}

/// Takes a SWIX apart by unzip, rpm2cpio and cpio; where its package and its image are then.
pub fn take_apart(swix: &Path, report: &Inspection, to: &Path) -> (PathBuf, PathBuf) {
    run(tool("unzip").arg("-q").arg(swix).arg("-d").arg(to));
    let rpm = to.join(&report.manifest.primary_rpm);
    for name in ["rpm2cpio", "cpio"] {
        tool(name);
    }
    let pipe = "rpm2cpio \"$1\" | cpio --quiet -idm";
    run(tool("bash").args(["-o", "pipefail", "-ec", pipe, "bash"]).arg(&rpm).dir(to));
    (rpm, to.join(extension::IMAGE.trim_start_matches('/')))
}

/// A directory that lasts from one run of the tests to the next: `$KOE_TEST_CACHE`, or beside the build's output.
pub fn cache() -> PathBuf {
    let directory =
        std::env::var_os("KOE_TEST_CACHE").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// The links that stand on every PATH.
const COMMANDS: [&str; 3] = ["/usr/bin/etcdctl", "/usr/bin/k8s-node", "/usr/bin/kubectl"];

/// Whether our package may own a file or directory of that name.
pub fn is_ours(path: &str) -> bool {
    path.contains(swix::extension::NAME) || COMMANDS.contains(&path)
}
