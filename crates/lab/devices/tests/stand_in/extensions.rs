//! Extensions on the stand-in: installed at every boot, removed, and refused where the manifest does not match.

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::command::Program;
use devices::Flash;
use swix::archive;

use crate::support::{BOOT, cli, cli_ok, one_switch, swix_with};

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_boot_extension_is_there_after_every_boot_and_a_damaged_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let good = swix_with(directory.path(), "small", "echo installed >/run/scriptlet", "echo removed >/run/scriptlet");
    let lab = one_switch("test-swix", &[], Flash::new().with_boot_extension(&good).unwrap());
    let switch = lab.device("veos-b").unwrap();
    assert_eq!(switch.exec_ok(["cat", "/run/scriptlet"]).unwrap(), "installed\n");
    assert!(switch.exec_ok(["readlink", "/opt/small"]).unwrap().contains("target"));

    cli_ok(&switch, "no extension small.swix");
    assert!(!switch.exec(["test", "-L", "/opt/small"]).unwrap().status.success());
    assert_eq!(switch.exec_ok(["cat", "/run/scriptlet"]).unwrap(), "removed\n");
    switch.reboot().unwrap();
    assert_eq!(switch.wait_until_booted(BOOT).unwrap(), "running");
    assert!(switch.exec(["test", "-L", "/opt/small"]).unwrap().status.success());

    let bad = with_wrong_sha1(&good, directory.path());
    let refused = |swix: &Path, words: &str| {
        switch.copy_in(swix, "/mnt/flash/").unwrap();
        let name = swix.file_name().unwrap().to_str().unwrap();
        cli_ok(&switch, &format!("copy flash:{name} extension:"));
        let (taken, said) = cli(&switch, &format!("extension {name}"));
        assert!(!taken && said.contains(words), "{said}");
    };
    refused(&bad, "has the SHA-1");
    let cut = directory.path().join("cut.swix");
    let whole = fs::read(&good).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    refused(&cut, "cut.swix is damaged");
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
