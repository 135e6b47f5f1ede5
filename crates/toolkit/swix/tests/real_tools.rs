//! The real tools on the real artifacts: rpm, squashfs-tools, unzip, shellcheck.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use common::{Arch, command::Program, progress::Silent};
use support::{DATE, default_sample, noise, program, rootfs, run, tool};
use swix::{
    extension,
    squashfs::{self, Image, Node},
    tree::Entry,
};

/// Host's rpm with a database of its own, so that neither the host's is needed nor its configuration asked.
fn rpm(database: &std::path::Path) -> Program {
    tool("rpm").arg("--dbpath").arg(database)
}

#[test]
fn rpm_finds_every_digest_right_and_reads_the_header() {
    let (directory, sample) = default_sample();
    let query = |args: &[&str]| run(rpm(directory.path()).args(args).arg(&sample.rpm));
    assert!(query(&["-K", "--nosignature"]).contains("digests OK"));
    let info = query(&["-qip"]);
    for (field, value) in [
        ("Name", "kubernetes-on-eos"),
        ("Version", "1.20.2"),
        ("Release", "1"),
        ("Architecture", "i686"),
        ("License", support::LICENSE),
        ("Build Host", "localhost"),
        ("Vendor", "kubernetes-on-eos"),
    ] {
        let found = info.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.trim() == field);
        assert_eq!(found.map(|(_, found)| found.trim()), Some(value), "{field} in\n{info}");
    }
    let payload = query(&["-qp", "--qf", "%{PAYLOADCOMPRESSOR} %{PAYLOADFORMAT} %{FILEDIGESTALGO} %{BUILDTIME}"]);
    assert_eq!(payload, format!("gzip cpio 8 {}", DATE.0));
}

#[test]
fn the_package_demands_nothing_but_rpm_itself_and_a_shell() {
    let (directory, sample) = default_sample();
    let requires = run(rpm(directory.path()).args(["-qp", "--requires"]).arg(&sample.rpm));
    assert!(requires.lines().any(|line| line == "/bin/sh"), "nothing is demanded: {requires:?}");
    for line in requires.lines() {
        let known_to_old_rpm = ["CompressedFileNames", "FileDigests", "PayloadFilesHavePrefix"];
        let allowed =
            line == "/bin/sh" || known_to_old_rpm.iter().any(|name| line.starts_with(&format!("rpmlib({name})")));
        assert!(allowed, "the package demands {line}");
    }
}

#[test]
fn files_belong_to_root_with_their_modes_and_system_directories_to_nobody() {
    let (directory, sample) = default_sample();
    let format = r"[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]";
    let list = run(rpm(directory.path()).args(["-qp", "--qf", format]).arg(&sample.rpm));
    for line in [
        "drwxr-xr-x root root /opt/kubernetes-on-eos",
        "-rwxr-xr-x root root /usr/libexec/kubernetes-on-eos/programs",
        "-rw-r--r-- root root /usr/share/kubernetes-on-eos/programs.squashfs",
        "-rw-r--r-- root root /etc/profile.d/kubernetes-on-eos.sh",
    ] {
        assert!(list.lines().any(|found| found == line), "{line} is not in\n{list}");
    }
    let names = run(rpm(directory.path()).arg("-qlp").arg(&sample.rpm));
    assert!(names.lines().count() > 4 && names.lines().all(support::is_ours), "{names}");
    let scripts = run(rpm(directory.path()).args(["-qp", "--scripts"]).arg(&sample.rpm));
    assert!(scripts.contains("postinstall scriptlet (using /bin/sh)"), "{scripts}");
    assert!(scripts.contains("preuninstall scriptlet (using /bin/sh)"), "{scripts}");
}

#[test]
fn rpm2cpio_and_cpio_unpack_the_image_as_it_was() {
    let (directory, sample) = default_sample();
    for name in ["rpm2cpio", "cpio"] {
        tool(name);
    }
    let pipe = "rpm2cpio \"$1\" | cpio --quiet -idm";
    run(tool("bash").args(["-o", "pipefail", "-ec", pipe, "bash"]).arg(&sample.rpm).dir(directory.path()));
    let unpacked = directory.path().join(extension::IMAGE.trim_start_matches('/'));
    assert!(fs::read(unpacked).unwrap() == fs::read(&sample.image).unwrap());
}

#[test]
fn unsquashfs_reads_the_image_as_it_went_in() {
    let (directory, sample) = default_sample();
    let list = run(tool("unsquashfs").args(["-lln", "-UTC"]).arg(&sample.image));
    for line in ["-rwxr-xr-x 0/0", "squashfs-root/bin/kubelet -> hyperkube", "2021-01-13 12:40"] {
        assert!(list.contains(line), "{line} is not in\n{list}");
    }
    let superblock = run(tool("unsquashfs").arg("-s").arg(&sample.image));
    for line in ["SQUASHFS 4:0", "Compression xz", "Block size 1048576", "x86"] {
        assert!(superblock.contains(line), "{line} is not in\n{superblock}");
    }
    let unpacked = directory.path().join("unpacked");
    run(tool("unsquashfs").args(["-no-progress", "-d"]).arg(&unpacked).arg(&sample.image));
    assert!(fs::read(unpacked.join("bin/hyperkube")).unwrap() == fs::read(directory.path().join("hyperkube")).unwrap());
}

#[test]
fn files_of_many_blocks_read_back_and_the_same_file_is_stored_once() {
    let directory = tempfile::tempdir().unwrap();
    let content = [noise(1 << 19), vec![0; 2 << 20], noise(1 << 19), vec![b'x'; 12345]].concat();
    let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    fs::write(&one, &content).unwrap();
    fs::write(&two, &content).unwrap();
    let image = directory.path().join("image");
    let entries = [Entry::file("a/one", &one), Entry::program("two", &two), Entry::file("empty", "/dev/null")];
    squashfs::write(&entries, &image, DATE, &Silent).unwrap();
    let size = image.metadata().unwrap().len();
    assert!(size < (1 << 20) + (1 << 18), "{size} bytes: the two files do not share their blocks");
    let read = Image::parse(fs::read(&image).unwrap()).unwrap();
    assert!(read.read("a/one").unwrap() == content && read.read("two").unwrap() == content);
    let items = read.items().unwrap();
    let two = items.iter().find(|item| item.path == "two").unwrap();
    assert_eq!(two.node, Node::File { size: content.len() as u64, mode: 0o755 });
    let unpacked = directory.path().join("unpacked");
    run(tool("unsquashfs").args(["-no-progress", "-d"]).arg(&unpacked).arg(&image));
    assert!(fs::read(unpacked.join("two")).unwrap() == content);
}

/// The commands of docs/operations.md, as they stand there.
#[test]
#[ignore = "needs root, and loop devices"]
fn a_swix_that_is_not_installed_looks_at_a_switch_by_the_manuals_commands() {
    let directory = tempfile::tempdir().unwrap();
    let node = directory.path().join("k8s-node");
    fs::write(&node, program(Arch::Amd64, "it looks at everything")).unwrap();
    let mut entries = support::image_entries(directory.path(), Arch::Amd64);
    entries.push(Entry::program("bin/k8s-node", node));
    let sample = support::sample(directory.path(), support::VERSION, &entries, Arch::Amd64);
    let manual = fs::read_to_string(rootfs().join("../docs/operations.md")).unwrap();
    let (_, behind) = manual.split_once("From a SWIX that is not installed yet").unwrap();
    let block = behind.split("\n\n").nth(1).unwrap();
    let place = directory.path().join("tmp");
    fs::create_dir(&place).unwrap();
    let commands: Vec<String> = block
        .lines()
        .map(|line| line.trim().replace("sudo ", "").replace("cd /tmp", &format!("cd {}", place.display())))
        .map(|line| line.replace("/mnt/flash/kubernetes-on-eos-1.20.2-386.swix", sample.swix.to_str().unwrap()))
        .collect();
    assert!(commands.len() > 5, "{commands:?}");
    for name in ["unzip", "rpm2cpio", "cpio", "mount", "umount"] {
        tool(name);
    }
    let printed = run(tool("bash").args(["-o", "pipefail", "-ec", &commands.join("\n")]));
    assert_eq!(printed, "it looks at everything\n");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "something is left");
}

#[test]
fn unzip_tests_and_lists_the_swix() {
    let (_directory, sample) = default_sample();
    run(tool("unzip").arg("-t").arg(&sample.swix));
    let names = run(tool("unzip").arg("-Z1").arg(&sample.swix));
    assert_eq!(names, "manifest.txt\nkubernetes-on-eos-1.20.2-1.i686.rpm\n");
    let sizes = run(tool("unzip").arg("-v").arg(&sample.swix));
    assert_eq!(sizes.matches("Stored").count(), 2, "{sizes}");
}

#[test]
fn the_next_release_is_newer_to_rpm_and_has_a_name_of_its_own() {
    let (directory, sample) = default_sample();
    let next = extension::next_release_of(&sample.swix, directory.path()).unwrap();
    assert_eq!(next.file_name().unwrap(), "kubernetes-on-eos-1.20.2-2-386.swix");
    assert_eq!(extension::name_with_release(&next).unwrap(), "kubernetes-on-eos-1.20.2-2-386.swix");
    assert_eq!(extension::name_with_release(&sample.swix).unwrap(), "kubernetes-on-eos-1.20.2-1-386.swix");
    run(tool("unzip").arg("-q").arg(&next).arg("-d").arg(directory.path()));
    let package = directory.path().join("kubernetes-on-eos-1.20.2-2.i686.rpm");
    run(rpm(directory.path()).args(["--install", "--justdb", "--nodeps", "--noscripts"]).arg(&sample.rpm));
    run(rpm(directory.path()).args(["--upgrade", "--justdb", "--nodeps", "--noscripts"]).arg(&package));
    assert_eq!(run(rpm(directory.path()).args(["--query", "--queryformat", "%{RELEASE} ", extension::NAME])), "2 ");
}

#[test]
fn a_later_revision_is_newer_to_rpm_whatever_its_commit_and_so_is_every_build_after_those_without_one() {
    let directory = tempfile::tempdir().unwrap();
    let builds = [(1, "f"), (2, "0"), (10, "a")].map(|(revision, digit)| support::build(revision, digit));
    let upgrade = |package: &std::path::Path| {
        let options = ["--upgrade", "--justdb", "--nodeps", "--noscripts"];
        run(rpm(directory.path()).args(options).arg(package));
        run(rpm(directory.path()).args(["--query", "--queryformat", "%{RELEASE} ", extension::NAME]))
    };
    let (_earlier, first) = default_sample();
    assert_eq!(upgrade(&first.rpm), "1 ");
    for build in builds {
        let sample = support::sample_of(directory.path(), &build, &build.release());
        assert_eq!(upgrade(&sample.rpm), format!("{} ", build.release()));
    }
}

#[test]
fn the_next_release_of_a_build_is_newer_than_it() {
    let directory = tempfile::tempdir().unwrap();
    let build = support::build(1, "f");
    let sample = support::sample_of(directory.path(), &build, &build.release());
    let next = extension::next_release_of(&sample.swix, directory.path()).unwrap();
    assert_eq!(next.file_name().unwrap(), "kubernetes-on-eos-1.20.2-2.gffffffffffff.dffffffffffff-386.swix");
}

#[test]
fn a_64_bit_package_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let entries = support::image_entries(directory.path(), Arch::Amd64);
    let sample = support::sample(directory.path(), support::VERSION, &entries, Arch::Amd64);
    let arch = run(rpm(directory.path()).args(["-qp", "--qf", "%{ARCH}"]).arg(&sample.rpm));
    assert_eq!(arch, "x86_64");
    swix::inspect::inspect(&sample.swix, swix::inspect::Probes::Run, &Silent).unwrap();
}

#[test]
fn the_scripts_are_clean_posix_shell() {
    let scriptlets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scriptlets");
    let files = [
        rootfs().join("usr/libexec/kubernetes-on-eos/programs"),
        rootfs().join("etc/profile.d/kubernetes-on-eos.sh"),
        scriptlets.join("post.sh"),
        scriptlets.join("preun.sh"),
    ];
    for file in files {
        run(tool("shellcheck").arg("--shell=sh").arg(&file));
    }
}
