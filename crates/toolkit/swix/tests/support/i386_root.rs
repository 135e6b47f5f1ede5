//! A 32-bit Debian root that packages are installed into, each time with mounts of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use common::{Arch, files};
use swix::{rpm, tree::Entry};

use super::{DATE, cache, run, tool};

/// The root is one, so is who works in it.
static ROOT: Mutex<()> = Mutex::new(());

pub fn alone() -> MutexGuard<'static, ()> {
    ROOT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A Debian bookworm for i386 with rpm, made once from the machine's own apt sources.
pub fn root() -> PathBuf {
    let root = cache().join("bookworm-i386");
    if root.join("usr/bin/rpm").exists() {
        return root;
    }
    let targets = tool("apt-get").args(["indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT) $(CREATED_BY)"]);
    let targets = run(targets);
    let mirror = targets.lines().find_map(|line| line.strip_suffix(" bookworm main Packages"));
    let mirror = mirror.expect("apt has no source for bookworm main; this test takes Debian from there");
    let new = cache().join("bookworm-i386.new");
    files::remove_tree(&new).unwrap();
    let debootstrap = tool("debootstrap").args(["--variant=minbase", "--arch=i386", "--include=rpm", "bookworm"]);
    debootstrap.arg(&new).arg(mirror).run_logged(&cache().join("debootstrap.log")).unwrap();
    fs::rename(&new, &root).unwrap();
    root
}

/// Runs a script, `$1` being the root, with mounts of its own; `/dev`, `/proc` and `/sys` as on a switch.
/// `args` are `$3` and so on.
pub fn in_root(root: &Path, script: &str, args: &[&Path]) -> String {
    let prepare = r#"
        mount --bind "$1" "$1"
        mount --rbind /dev "$1/dev"
        mount -t proc proc "$1/proc"
        mount --rbind /sys "$1/sys"
        sh() { chroot "$root" /bin/sh -c "$1"; }
        programs() { chroot "$root" /usr/libexec/kubernetes-on-eos/programs "$@"; }
        root=$1
        rpm() { command rpm --root "$root" "$@"; }
        rpm -q system-shell >/dev/null || rpm -i --justdb "$2"
    "#;
    let shell = shell_package(root);
    let script = format!("set -eu\n{prepare}\n{script}");
    run(tool("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(root)
        .arg(shell)
        .args(args))
}

/// EOS' rpm knows who owns /bin/sh. Debian's does not, so it is told.
fn shell_package(root: &Path) -> PathBuf {
    let path = root.with_extension("rpm");
    let text = || "system-shell".to_owned();
    let package = rpm::Package {
        name: text(),
        version: "1".into(),
        release: "1".into(),
        arch: Arch::I386,
        summary: text(),
        description: text(),
        license: text(),
        url: text(),
        vendor: text(),
        date: DATE,
        entries: vec![Entry::symlink("bin/sh", "dash")],
        scriptlets: rpm::Scriptlets::default(),
    };
    package.write(&path).unwrap();
    path
}
