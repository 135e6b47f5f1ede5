//! Extensions on the stand-in: installed at every boot, removed, and refused where the manifest does not match.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use common::{Arch, command::Program};
use devices::Flash;
use swix::{SourceDate, archive, rpm, tree::Entry};

use crate::support::{BOOT, lab_up};

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_boot_extension_is_there_after_every_boot_and_a_damaged_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let good = small_swix(directory.path());
    let flash = Flash::new().with_boot_extension(&good).unwrap();
    let lab = lab_up("one.yml", "test-swix", &BTreeMap::from([("veos-b".to_owned(), flash)]));
    let switch = lab.device("veos-b").unwrap();
    assert_eq!(switch.exec_ok(["cat", "/run/scriptlet"]).unwrap(), "installed\n");
    assert!(switch.exec_ok(["readlink", "/opt/small"]).unwrap().contains("target"));

    switch.exec_ok(["extension", "--remove", "small.swix"]).unwrap();
    assert!(!switch.exec(["test", "-L", "/opt/small"]).unwrap().status.success());
    assert_eq!(switch.exec_ok(["cat", "/run/scriptlet"]).unwrap(), "removed\n");
    switch.reboot().unwrap();
    assert_eq!(switch.wait_until_booted(BOOT).unwrap(), "running");
    assert!(switch.exec(["test", "-L", "/opt/small"]).unwrap().status.success());

    let bad = with_wrong_sha1(&good, directory.path());
    switch.copy_in(&bad, "/mnt/flash/bad.swix").unwrap();
    let refused = switch.exec(["extension", "/mnt/flash/bad.swix"]).unwrap();
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains("has the SHA-1"), "{words}");

    let cut = directory.path().join("cut.swix");
    let whole = fs::read(&good).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    switch.copy_in(&cut, "/mnt/flash/cut.swix").unwrap();
    let refused = switch.exec(["extension", "/mnt/flash/cut.swix"]).unwrap();
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains("cut.swix is damaged"), "{words}");
}

/// The same archive with another first digit in the manifest's SHA-1, as zip makes it, so that all else is right.
fn with_wrong_sha1(swix: &Path, directory: &Path) -> PathBuf {
    let mut contents = archive::parse(&fs::read(swix).unwrap()).unwrap();
    let (name, bytes) = contents.rpms.remove(0);
    let manifest = contents.manifest.to_string();
    let (key, digest) = manifest.rsplit_once(": ").unwrap();
    let digit = if digest.starts_with('0') { '1' } else { '0' };
    let rpm = directory.join(name);
    fs::write(&rpm, bytes).unwrap();
    let text = directory.join("manifest.txt");
    fs::write(&text, format!("{key}: {digit}{}", &digest[1..])).unwrap();
    let bad = directory.join("bad.swix");
    let zip = Program::new("zip", "make an archive").unwrap().args(["-q", "-0", "--junk-paths"]);
    zip.args([&bad, &text, &rpm]).read().unwrap();
    bad
}

fn small_swix(directory: &Path) -> PathBuf {
    let package = rpm::Package {
        name: "small".into(),
        version: "1".into(),
        release: "1".into(),
        arch: Arch::I386,
        summary: "A link".into(),
        description: "A link".into(),
        license: "Apache-2.0".into(),
        url: "https://example.com".into(),
        vendor: "nobody".into(),
        date: SourceDate(1_610_541_600),
        entries: vec![Entry::symlink("opt/small", "target")],
        scriptlets: rpm::Scriptlets {
            post: Some("echo installed >/run/scriptlet\n".into()),
            preun: Some("echo removed >/run/scriptlet\n".into()),
        },
    };
    let rpm = directory.join(package.file_name());
    package.write(&rpm).unwrap();
    let swix = directory.join("small.swix");
    archive::write(&[rpm], &swix).unwrap();
    swix
}
