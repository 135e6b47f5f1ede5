//! What inspect finds in a SWIX, and everything that it refuses.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    io::Write,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{Arch, progress::Silent};
use support::{default_sample, image_entries, program, sample, sample_of};
use swix::{
    archive::{self, Manifest, Sha1},
    inspect::{self, ImageKind, Inspection, ProbeOutcome, Probes, Reason},
    tree::Entry,
};

fn inspect(path: &Path) -> Result<Inspection, inspect::InspectError> {
    inspect::inspect(path, Probes::Skip, &Silent)
}

/// The reason for which a file with these bytes is refused.
fn refusal(directory: &Path, bytes: &[u8]) -> Reason {
    let path = directory.join("bad.swix");
    fs::write(&path, bytes).unwrap();
    inspect(&path).expect_err("a bad SWIX was accepted").reason
}

/// A name and bytes.
type Member<'a> = (&'a str, &'a [u8]);

/// A zip archive of any members.
fn zip(members: &[Member<'_>]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::DEFAULT.compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn manifest(name: &str, bytes: &[u8]) -> String {
    format!("format: 1\nprimaryRpm: {name}\n{name}-sha1: {}\n", Sha1::of(bytes))
}

#[test]
fn a_whole_swix_is_reported_down_to_the_versions_that_its_programs_print() {
    let (_directory, sample) = default_sample();
    let report = inspect::inspect(&sample.swix, Probes::Run, &Silent).unwrap();
    assert_eq!(report.rpm.header.name, "kubernetes-on-eos");
    assert_eq!((report.rpm.header.version.as_str(), report.rpm.header.arch.as_str()), ("1.20.2", "i686"));
    assert_eq!(report.manifest.primary_rpm, "kubernetes-on-eos-1.20.2-1.i686.rpm");
    let hyperkube = report.image.iter().find(|entry| entry.path == "bin/hyperkube").unwrap();
    assert!(matches!(&hyperkube.kind, ImageKind::Program { mode: 0o755, elf, .. } if elf.stripped));
    assert_eq!(report.probes.len(), 2);
    for probed in &report.probes {
        assert_eq!(probed.outcome, ProbeOutcome::AsExpected, "{}", probed.probe.program);
    }
    assert!(serde_json::to_string(&report).unwrap().contains("\"expect\":\"Kubernetes v1.20.2\""));
}

#[test]
fn a_swix_says_of_what_release_and_architecture_it_is() {
    for arch in Arch::ALL {
        let directory = tempfile::tempdir().unwrap();
        let sample = sample(directory.path(), support::VERSION, &image_entries(directory.path(), arch), arch);
        assert_eq!(swix::extension::release(&sample.swix).unwrap(), support::release(arch));
        let error = format!("{:#}", swix::extension::release(&sample.rpm).unwrap_err());
        assert!(error.contains(&sample.rpm.display().to_string()), "{error}");
    }
}

#[test]
fn a_program_that_prints_another_version_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut entries = image_entries(directory.path(), Arch::I386);
    let other = directory.path().join("other");
    fs::write(&other, program(Arch::I386, "Kubernetes v0.0.0-master")).unwrap();
    entries[0] = Entry::program("bin/hyperkube", other);
    let sample = sample(directory.path(), support::VERSION, &entries, Arch::I386);
    let report = inspect::inspect(&sample.swix, Probes::Run, &Silent).unwrap();
    let printed = &report.probes[0].outcome;
    assert!(
        matches!(printed, ProbeOutcome::Printed { output, .. } if output == "Kubernetes v0.0.0-master"),
        "{printed:?}"
    );
}

#[test]
fn a_swix_with_any_one_byte_changed_is_refused() {
    let (_directory, sample) = default_sample();
    let whole = fs::read(&sample.swix).unwrap();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                let mut bytes = whole.clone();
                loop {
                    let offset = next.fetch_add(1, Ordering::Relaxed);
                    let Some(byte) = bytes.get_mut(offset) else { return };
                    *byte ^= 1 << (offset % 8);
                    assert!(
                        archive::parse(&bytes).is_err(),
                        "a change of byte {offset} of {} went unseen",
                        bytes.len()
                    );
                    bytes[offset] = whole[offset];
                }
            });
        }
    });
}

#[test]
fn a_swix_that_is_cut_off_or_has_something_behind_it_is_refused() {
    let (directory, sample) = default_sample();
    let whole = fs::read(&sample.swix).unwrap();
    for length in (4..whole.len() - 30).step_by(997) {
        let reason = refusal(directory.path(), &whole[..length]);
        assert!(matches!(reason, Reason::Swix(archive::SwixError::Truncated)), "{length}: {reason}");
    }
    refusal(directory.path(), &whole[..whole.len() - 1]);
    let reason = refusal(directory.path(), &[&whole[..], b"more"].concat());
    assert!(
        matches!(reason, Reason::Swix(archive::SwixError::Changed { .. } | archive::SwixError::Archive(_))),
        "{reason}"
    );
    let reason = refusal(directory.path(), b"not a zip archive");
    assert!(matches!(reason, Reason::Swix(archive::SwixError::NotZip)), "{reason}");
}

#[test]
fn a_manifest_that_names_a_file_outside_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for outside in ["../evil.rpm", "/etc/evil.rpm", "sub/evil.rpm", ".."] {
        let text = manifest(outside, b"rpm");
        let bytes = zip(&[("manifest.txt", text.as_bytes()), ("good.rpm", b"rpm")]);
        let reason = refusal(directory.path(), &bytes);
        assert!(
            matches!(&reason, Reason::Swix(archive::SwixError::Name(name)) if name == outside),
            "{outside}: {reason}"
        );
        let bytes = zip(&[("manifest.txt", text.as_bytes()), (outside, b"rpm")]);
        let reason = refusal(directory.path(), &bytes);
        assert!(
            matches!(&reason, Reason::Swix(archive::SwixError::Name(_) | archive::SwixError::Archive(_))),
            "{outside}: {reason}"
        );
    }
}

#[test]
fn a_manifest_that_does_not_fit_the_archive_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let good = manifest("a.rpm", b"rpm");
    let faults: [(&[Member<'_>], &str); 6] = [
        (&[("a.rpm", b"rpm")], "manifest.txt is missing"),
        (&[("manifest.txt", good.as_bytes())], "names a.rpm, which is not in the archive"),
        (&[("manifest.txt", good.as_bytes()), ("a.rpm", b"other")], "a.rpm does not match manifest.txt"),
        (&[("manifest.txt", good.as_bytes()), ("a.rpm", b"rpm"), ("b", b"")], "b is in the archive but not in"),
        (&[("manifest.txt", b"format: 7\n"), ("a.rpm", b"rpm")], "format \"7\""),
        (&[("manifest.txt", b"\xff"), ("a.rpm", b"rpm")], "it is not text"),
    ];
    for (members, expected) in faults {
        let reason = refusal(directory.path(), &zip(members)).to_string();
        assert!(reason.contains(expected), "{reason}");
    }
    let reason = refusal(directory.path(), &zip(&[("manifest.txt", good.as_bytes()), ("a.rpm", b"rpm")]));
    assert!(matches!(reason, Reason::Rpm(_)), "{reason}");
}

#[test]
fn an_rpm_with_a_wrong_digest_is_refused_also_where_the_manifest_fits() {
    let (directory, sample) = default_sample();
    let mut rpm = fs::read(&sample.rpm).unwrap();
    let payload = rpm.len() - 20;
    rpm[payload] ^= 1;
    fs::write(&sample.rpm, &rpm).unwrap();
    let swix = directory.path().join("other.swix");
    archive::write(std::slice::from_ref(&sample.rpm), &swix).unwrap();
    let error = inspect(&swix).unwrap_err();
    assert!(error.to_string().contains("the payload's digest does not match"), "{error}");
}

#[test]
fn a_program_for_another_architecture_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let mut entries = image_entries(directory.path(), Arch::I386);
    let etcd = directory.path().join("etcd");
    fs::write(&etcd, program(Arch::Amd64, "etcd")).unwrap();
    entries.push(Entry::program("bin/etcd", etcd));
    let sample = sample(directory.path(), support::VERSION, &entries, Arch::I386);
    let error = inspect(&sample.swix).unwrap_err().to_string();
    assert!(error.contains("bin/etcd is a 64-bit x86-64 program; a linux/386 one is expected"), "{error}");
}

#[test]
fn an_image_that_is_none_or_speaks_of_another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let entries = image_entries(directory.path(), Arch::I386);
    let other = sample(directory.path(), "1.20.3", &entries, Arch::I386);
    let error = inspect(&other.swix).unwrap_err().to_string();
    assert!(error.contains("says version 1.20.2, its RPM 1.20.3"), "{error}");
    let image = directory.path().join("none");
    fs::write(&image, support::noise(8192)).unwrap();
    let rootfs = support::rootfs();
    let parts = swix::extension::ExtensionParts {
        version: "1",
        release: "1",
        arch: Arch::I386,
        license: support::LICENSE,
        image: &image,
        rootfs: &rootfs,
        date: support::DATE,
    };
    let rpm = directory.path().join("none.rpm");
    swix::extension::package(&parts).unwrap().write(&rpm).unwrap();
    archive::write(&[rpm], &directory.path().join("none.swix")).unwrap();
    let error = inspect(&directory.path().join("none.swix")).unwrap_err();
    assert!(matches!(error.reason, Reason::Squashfs(_)), "{error}");
}

#[test]
fn an_image_and_its_rpm_are_of_one_build() {
    let directory = tempfile::tempdir().unwrap();
    let build = support::build(2, "a");
    let same = sample_of(directory.path(), &build, &build.release());
    let report = inspect(&same.swix).unwrap();
    assert_eq!(report.rpm.header.release, "2.gaaaaaaaaaaaa.daaaaaaaaaaaa");
    assert_eq!(report.release.build, Some(build.clone()));
    for other in ["2", "3.gaaaaaaaaaaaa.daaaaaaaaaaaa", "2.gaaaaaaaaaaaa.dbbbbbbbbbbbb"] {
        let error = inspect(&sample_of(directory.path(), &build, other).swix).unwrap_err().to_string();
        let told = format!("its image says release {}, its RPM {other}", build.release());
        assert!(error.contains(&told), "{error}");
    }
}

#[test]
fn a_manifest_lists_the_primary_rpm_first() {
    let (_directory, sample) = default_sample();
    let swix = archive::parse(&fs::read(&sample.swix).unwrap()).unwrap();
    let Manifest { primary_rpm, rpms } = &swix.manifest;
    assert_eq!(rpms.first().map(|(name, _)| name), Some(primary_rpm));
}
