//! The package installed, upgraded and erased by rpm in a 32-bit Debian root, its scriptlets really
//! mounting the image. Each test runs in a mount namespace of its own, so that nothing stays behind.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{Arch, command::Program};
use support::{
    DATE,
    i386_root::{self, in_root, root},
    image_entries, program, run, sample, tool,
};
use swix::tree::Entry;

fn packages(directory: &Path) -> [PathBuf; 2] {
    ["1.20.2", "1.20.3"].map(|version| {
        let directory = directory.join(version);
        fs::create_dir(&directory).unwrap();
        let mut entries = image_entries(&directory, Arch::I386);
        let kubectl = directory.join("kubectl");
        fs::write(&kubectl, program(Arch::I386, &format!("kubectl {version}"))).unwrap();
        entries.push(Entry::program("bin/kubectl", kubectl));
        sample(&directory, version, &entries, Arch::I386).rpm
    })
}

#[test]
#[ignore = "needs root and Debian packages: run by cargo xtask test"]
fn a_package_installs_upgrades_and_erases_and_its_image_is_mounted_meanwhile() {
    let _alone = i386_root::alone();
    let directory = tempfile::tempdir().unwrap();
    let [old, new] = packages(directory.path());
    let script = r#"
        rpm -e kubernetes-on-eos 2>/dev/null || true

        rpm -i "$3"
        [ "$(sh /opt/kubernetes-on-eos/bin/kubectl)" = "kubectl 1.20.2" ]
        [ "$(sh '. /etc/profile.d/kubernetes-on-eos.sh; kubectl')" = "kubectl 1.20.2" ]
        rpm -V kubernetes-on-eos
        programs status
        programs mount | grep 'already mounted'
        [ "$(grep -c /opt/kubernetes-on-eos "$root/proc/self/mounts")" = 1 ]
        if sh 'echo x >/opt/kubernetes-on-eos/x' 2>/dev/null; then echo 'the image can be written'; exit 1; fi

        # A program that runs from the old image must not stop the upgrade, nor be stopped by it.
        exec 9<"$root/opt/kubernetes-on-eos/bin/kubectl"
        rpm -U "$4"
        [ "$(sh /opt/kubernetes-on-eos/bin/kubectl)" = "kubectl 1.20.3" ]
        [ "$(grep -c /opt/kubernetes-on-eos "$root/proc/self/mounts")" = 1 ]
        grep -q 'kubectl 1.20.2' <&9
        exec 9<&-
        programs status

        # As at the next boot: the root is new, so the package is installed over nothing that is mounted.
        programs unmount
        programs unmount
        status=0; programs status || status=$?; [ "$status" = 3 ]
        rpm -U --force "$4"
        programs status

        rpm -e kubernetes-on-eos
        if grep /opt/kubernetes-on-eos "$root/proc/self/mounts"; then exit 1; fi
        for left in opt/kubernetes-on-eos usr/share/kubernetes-on-eos usr/libexec/kubernetes-on-eos; do
            if [ -e "$root/$left" ]; then echo "/$left stays behind"; exit 1; fi
        done
    "#;
    in_root(&root(), script, &[&old, &new]);
}

#[test]
#[ignore = "needs root and Debian packages: run by cargo xtask test"]
fn without_loop_devices_the_operator_is_told_what_is_missing() {
    let _alone = i386_root::alone();
    let directory = tempfile::tempdir().unwrap();
    let [package, _] = packages(directory.path());
    let script = r#"
        umount -l "$root/dev"
        mount -t tmpfs tmpfs "$root/dev"
        mknod -m 666 "$root/dev/null" c 1 3
        rpm -i "$3" 2>&1 || echo "rpm ended with $?"
        status=0; programs mount >/dev/null 2>&1 || status=$?; [ "$status" = 1 ]
        rpm -e kubernetes-on-eos
    "#;
    let printed = in_root(&root(), script, &[&package]);
    assert!(printed.contains("there is no loop device"), "{printed}");
    assert!(printed.contains("scriptlet failed"), "{printed}");
}

#[test]
#[ignore = "needs root: run by cargo xtask test"]
fn the_kernel_mounts_an_image_of_many_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let content = [support::noise(1 << 20), vec![b'x'; 3 << 20], vec![0; 1 << 20], support::noise(99)].concat();
    let (file, image) = (directory.path().join("file"), directory.path().join("image"));
    fs::write(&file, content).unwrap();
    let entries = [Entry::file("deep/file", &file), Entry::file("empty", "/dev/null")];
    swix::squashfs::write(&entries, &image, DATE, &common::progress::Silent).unwrap();
    let script = r#"mkdir "$1/at"; mount -o loop,ro "$1/image" "$1/at"; cmp "$1/file" "$1/at/deep/file"; [ ! -s "$1/at/empty" ]"#;
    let unshare: Program = tool("unshare").args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"]);
    run(unshare.arg(directory.path()));
}
