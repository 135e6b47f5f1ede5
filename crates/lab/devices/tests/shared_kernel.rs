//! The stand-in's own program that keeps a device's hands off the kernel, in a mount namespace in the place of a container.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

use common::command::Program;

/// Arguments: the program, and files. Where the program has put a file in the place of one of these, it is written; prints each such
/// with what it holds then.
const SCRIPT: &str = r#"
program=$1; shift
for directory in /run /dev /etc; do mount -t tmpfs none $directory; done
sh "$program" >/run/said
for file; do
    if grep --quiet " $file " /proc/self/mountinfo; then
        echo 12345 >"$file"
        echo "$file $(cat "$file")"
    fi
done
"#;

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_kubelet_sets_for_the_whole_machine_stays_on_the_device() {
    let keys = fs::read_dir("/proc/sys/kernel/keys").unwrap().map(|limit| limit.unwrap().path().display().to_string());
    let others = ["kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "vm/panic_on_oom"];
    let files: Vec<String> = others.map(|name| format!("/proc/sys/{name}")).into_iter().chain(keys).collect();
    let held =
        || files.iter().map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect::<BTreeMap<_, _>>();
    let before = held();
    let program = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../docker/veos/rootfs/usr/libexec/veos-stand-in/shared-kernel");
    let run = Program::new("unshare", "try what keeps hands off the kernel").unwrap();
    let run = run.args(["--mount", "sh", "-euc", SCRIPT, "sh"]).arg(program).args(&files);
    let said = run.read().unwrap_or_else(|error| panic!("{error:#}"));
    let written: Vec<String> = files.iter().map(|file| format!("{file} 12345")).collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), written);
    assert_eq!(held(), before);
}
