//! The SWIX that was built, in `$KOE_DIST`, under the real tools: unzip, rpm, squashfs-tools, the kernel, swi-tools,
//! a 32-bit root and a Docker engine.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use common::{command::Program, progress::Silent};
use contract::Build;
use support::{i386_root, run, swi_tools, tool};
use swix::{
    archive, extension,
    inspect::{self, Inspection, ProbeOutcome, Probes},
};

/// What the SWIX may weigh.
const LIMIT: u64 = 32 << 20;

/// The newest SWIX in dist/.
fn built() -> PathBuf {
    swix::dist::newest_swix(&swix::dist::directory()).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The SWIX taken apart by unzip, rpm2cpio and cpio.
struct Opened {
    directory: tempfile::TempDir,
    swix: PathBuf,
    rpm: PathBuf,
    image: PathBuf,
    report: &'static Inspection,
}

/// What our own reader makes of it.
fn report() -> &'static Inspection {
    static REPORT: OnceLock<Inspection> = OnceLock::new();
    REPORT.get_or_init(|| inspect::inspect(&built(), Probes::Run, &Silent).unwrap_or_else(|error| panic!("{error}")))
}

fn open() -> Opened {
    let (swix, report) = (built(), report());
    let directory = tempfile::tempdir().unwrap();
    let (rpm, image) = support::take_apart(&swix, report, directory.path());
    Opened { directory, swix, rpm, image, report }
}

impl Opened {
    fn rpm(&self, args: &[&str]) -> String {
        run(tool("rpm").arg("--dbpath").arg(self.directory.path().join("db")).args(args).arg(&self.rpm))
    }

    /// The image, unpacked by unsquashfs.
    fn unpacked(&self) -> PathBuf {
        let to = self.directory.path().join("unpacked");
        run(tool("unsquashfs").args(["-no-progress", "-quiet", "-d"]).arg(&to).arg(&self.image));
        to
    }

    /// The version of a component as the image states it, without a `v` in front.
    fn version(&self, component: &str) -> &str {
        let found = self.report.release.components.iter().find(|known| known.name == component);
        found.unwrap_or_else(|| panic!("no component {component}")).version.trim_start_matches('v')
    }
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_is_listed_with_its_digest_and_light_enough() {
    let (dist, swix) = (swix::dist::directory(), built());
    let checked = run(tool("sha256sum").args(["--strict", "-c", "SHA256SUMS"]).dir(&dist));
    let name = swix.file_name().unwrap().to_str().unwrap();
    assert!(checked.lines().any(|line| line == format!("{name}: OK")), "{name} is not in\n{checked}");
    let listed = |ending: &str| checked.lines().any(|line| line.ends_with(&format!("{ending}: OK")));
    for ending in [".cdx.json", ".provenance.json"] {
        assert!(listed(ending), "no *{ending} is listed:\n{checked}");
    }
    for entry in fs::read_dir(&dist).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with(".new-"), "{name} in dist/ is half-written");
    }
    let size = swix.metadata().unwrap().len();
    assert!(size <= LIMIT, "{} weighs {size} bytes; {LIMIT} are allowed", swix.display());
    println!("{name}: {:.2} MiB", size as f64 / f64::from(1 << 20));
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_is_a_zip_archive_whose_manifest_names_the_rpm() {
    let opened = open();
    run(tool("unzip").arg("-t").arg(&opened.swix));
    let rpm = &opened.report.manifest.primary_rpm;
    assert_eq!(run(tool("unzip").arg("-Z1").arg(&opened.swix)), format!("manifest.txt\n{rpm}\n"));
    let manifest = run(tool("unzip").arg("-p").arg(&opened.swix).arg("manifest.txt"));
    let sha1 = run(tool("sha1sum").arg(&opened.rpm));
    let sha1 = sha1.split_whitespace().next().unwrap();
    let lines: Vec<&str> = manifest.lines().collect();
    assert_eq!(lines, ["format: 1", &format!("primaryRpm: {rpm}"), &format!("{rpm}-sha1: {sha1}")]);
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_a_package_that_rpm_finds_right() {
    let opened = open();
    assert!(opened.rpm(&["-K", "--nosignature"]).contains("digests OK"));
    let info = opened.rpm(&["-qip"]);
    let header = &opened.report.rpm.header;
    let version = opened.report.release.version.as_str();
    let arch = opened.report.release.arch.rpm();
    for (field, value) in [("Name", extension::NAME), ("Version", version), ("Architecture", arch)] {
        let found = info.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.trim() == field);
        assert_eq!(found.map(|(_, found)| found.trim()), Some(value), "{field} in\n{info}");
    }
    let file_name = format!("{}-{version}-{}.{arch}.rpm", extension::NAME, header.release);
    assert_eq!(opened.report.manifest.primary_rpm, file_name);
    assert_eq!(opened.report.release.build.as_ref().map(Build::release).as_ref(), Some(&header.release));
    let payload = opened.rpm(&["-qp", "--qf", "%{PAYLOADCOMPRESSOR} %{PAYLOADFORMAT} %{FILEDIGESTALGO}"]);
    assert_eq!(payload, "gzip cpio 8", "old EOS reads that");
    let files = opened.rpm(&["-qlp"]);
    for path in [extension::IMAGE, extension::MOUNT_POINT, "/usr/libexec/kubernetes-on-eos/programs"] {
        assert!(files.lines().any(|line| line == path), "{path} is not in\n{files}");
    }
    assert!(files.lines().all(support::is_ours), "a file of somebody else's:\n{files}");
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_an_image_of_static_programs_for_its_architecture() {
    let opened = open();
    let list = run(tool("unsquashfs").args(["-lln", "-UTC"]).arg(&opened.image));
    for path in ["bin/hyperkube", "bin/kubelet -> hyperkube", "bin/etcd", "bin/etcdctl", "cni/bin/bridge"] {
        let entry = format!("squashfs-root/{path}");
        assert!(list.lines().any(|line| line.contains(&entry)), "{path} is not in\n{list}");
    }
    for line in list.lines().filter(|line| line.contains("squashfs-root")) {
        assert!(line.split_whitespace().nth(1) == Some("0/0"), "not root's: {line}");
    }
    let superblock = run(tool("unsquashfs").arg("-s").arg(&opened.image));
    assert!(superblock.contains("Compression xz"), "{superblock}");

    let arch = opened.report.release.arch;
    let (class, machine) =
        if arch.is_64_bit() { ("ELF64", "Advanced Micro Devices X86-64") } else { ("ELF32", "Intel 80386") };
    let mut programs = 0;
    for entry in walkdir::WalkDir::new(opened.unpacked()) {
        let entry = entry.unwrap();
        if !entry.file_type().is_file() || !fs::read(entry.path()).unwrap().starts_with(b"\x7fELF") {
            continue;
        }
        programs += 1;
        let read = |what: &str| run(tool("readelf").args([what, "--wide"]).arg(entry.path()));
        let path = entry.path().display();
        let header = read("--file-header");
        for (field, value) in [("Class:", class), ("Machine:", machine), ("Type:", "EXEC (Executable file)")] {
            let found = header.lines().find_map(|line| line.trim().strip_prefix(field));
            assert_eq!(found.map(str::trim), Some(value), "{path}");
        }
        assert!(read("--dynamic").contains("There is no dynamic section"), "{path} is not static");
        assert!(!read("--program-headers").contains("INTERP"), "{path} asks for a loader");
        assert!(!read("--section-headers").contains(".symtab"), "{path} is not stripped");
    }
    assert!(programs >= 3, "{programs} programs are in the image");
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_an_image_that_the_kernel_mounts_as_unsquashfs_unpacks_it() {
    let opened = open();
    let script = r#"
        mkdir "$1/at"
        mount -o loop,ro "$1/image" "$1/at"
        diff -r --no-dereference "$1/at" "$2"
        "$1/at/bin/kubelet" --version
    "#;
    fs::rename(&opened.image, opened.directory.path().join("image")).unwrap();
    let image = Opened { image: opened.directory.path().join("image"), ..opened };
    let unpacked = image.unpacked();
    let unshare: Program = tool("unshare").args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"]);
    let printed = run(unshare.arg(image.directory.path()).arg(unpacked));
    assert_eq!(printed, format!("Kubernetes v{}\n", image.report.release.version));
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_installs_runs_and_erases_in_a_32_bit_root() {
    let _alone = i386_root::alone();
    let opened = open();
    let script = r#"
        rpm -e kubernetes-on-eos 2>/dev/null || true
        rpm -i "$3"
        rpm -V kubernetes-on-eos
        programs status
        at=/opt/kubernetes-on-eos
        for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy cluster-dns metrics-server; do
            echo "$program: $(sh "$at/bin/$program --version")"
        done
        echo "hyperkube kube-proxy: $(sh "$at/bin/hyperkube kube-proxy --version")"
        echo "hyperkube kubelet: $(sh "$at/bin/hyperkube kubelet --version")"
        echo "etcd: $(sh "ETCD_UNSUPPORTED_ARCH=386 $at/bin/etcd --version" | grep '^etcd Version')"
        echo "etcdctl: $(sh "ETCDCTL_API=3 $at/bin/etcdctl version" | grep '^etcdctl version')"
        for plugin in bridge host-local loopback portmap; do
            echo "$plugin: $(sh "$at/cni/bin/$plugin </dev/null 2>&1")"
            sh "echo '{\"cniVersion\": \"0.3.1\"}' | CNI_COMMAND=VERSION $at/cni/bin/$plugin" | grep -q '"0.3.1"'
        done
        sh 'k8s-node --version'
        sh '. /etc/profile.d/kubernetes-on-eos.sh; kubectl version --client --short'
        rpm -e kubernetes-on-eos
        if grep /opt/kubernetes-on-eos "$root/proc/self/mounts"; then exit 1; fi
        for left in opt/kubernetes-on-eos usr/share/kubernetes-on-eos usr/libexec/kubernetes-on-eos; do
            if [ -e "$root/$left" ]; then echo "/$left stays behind"; exit 1; fi
        done
    "#;
    let printed = i386_root::in_root(&i386_root::root(), script, &[&opened.rpm]);
    let kubernetes = format!("Kubernetes v{}", opened.report.release.version);
    let mut expected: Vec<String> = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"]
        .iter()
        .chain(&["hyperkube kube-proxy", "hyperkube kubelet"])
        .map(|program| format!("{program}: {kubernetes}"))
        .collect();
    expected.push(format!("kube-proxy: kube-proxy {}", opened.version("kube-proxy")));
    expected.push(format!("cluster-dns: cluster-dns {}", opened.version("cluster-dns")));
    expected.push(format!("metrics-server: metrics-server {}", opened.version("cluster-dns")));
    let etcd = opened.version("etcd");
    expected.push(format!("etcd: etcd Version: {etcd}"));
    expected.push(format!("etcdctl: etcdctl version: {etcd}"));
    let cni = opened.version("cni-plugins");
    let plugins = ["bridge", "host-local", "loopback", "portmap"];
    expected.extend(plugins.map(|name| format!("{name}: CNI {name} plugin v{cni}")));
    let build = opened.report.release.build.as_ref().expect("the image does not say which build it is");
    let name = format!("{}-{}", opened.report.release.version, build.release());
    expected.push(format!("{} {name} for linux/{}, {}", extension::NAME, opened.report.release.arch, build.origin()));
    expected.push(format!("Client Version: v{}", opened.report.release.version));
    for line in expected {
        assert!(printed.lines().any(|found| found.trim_end() == line), "{line:?} is not in\n{printed}");
    }
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_prints_the_versions_that_it_says_it_has() {
    assert!(!report().probes.is_empty());
    for probed in &report().probes {
        assert_eq!(probed.outcome, ProbeOutcome::AsExpected, "{} {:?}", probed.probe.program, probed.probe.args);
    }
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_is_signed_and_verified_by_arista_s_tools() {
    let directory = tempfile::tempdir().unwrap();
    let swix = directory.path().join("copy.swix");
    fs::copy(built(), &swix).unwrap();
    swi_tools::sign_and_verify(&swix, directory.path());
    let report = inspect::inspect(&swix, Probes::Skip, &Silent).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(report.signature, swix::signature::Signature::Signed(_)), "{}", report.signature);
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_is_refused_once_a_byte_of_it_changed_or_its_end_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let whole = fs::read(built()).unwrap();
    let bad = directory.path().join("bad.swix");
    let refused = |bytes: &[u8]| {
        fs::write(&bad, bytes).unwrap();
        inspect::inspect(&bad, Probes::Skip, &Silent).expect_err("a bad SWIX was accepted").reason
    };
    for part in 1..4 {
        let mut bytes = whole.clone();
        bytes[whole.len() * part / 4] ^= 1;
        refused(&bytes);
        let reason = refused(&whole[..whole.len() * part / 4]);
        assert!(matches!(reason, inspect::Reason::Swix(archive::SwixError::Truncated)), "{reason}");
    }
}

/// A container that is removed at the end, however the test ends.
struct Container(String);

impl Container {
    fn start(image: &str) -> Self {
        let name = format!("kubernetes-on-eos-test-{}", std::process::id());
        run(tool("docker").args(["run", "--detach", "--network", "none", "--name", &name, image]));
        Container(name)
    }

    fn state(&self, field: &str) -> String {
        let format = format!("{{{{.State.{field}}}}}");
        run(tool("docker").args(["inspect", "--format", &format, &self.0])).trim().to_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = tool("docker").args(["rm", "--force", &self.0]).read();
    }
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_a_pause_image_that_docker_loads_runs_and_stops() {
    let engine = tool("docker").arg("info").read();
    assert!(engine.is_ok(), "this test needs a Docker engine that answers `docker info`: {:#}", engine.unwrap_err());
    let opened = open();
    let archive = opened.unpacked().join("images/pause.tar");
    let loaded = run(tool("docker").args(["load", "--input"]).arg(&archive));
    let image = loaded.trim().strip_prefix("Loaded image: ").unwrap_or_else(|| panic!("{loaded}"));
    let version = opened.version("pause");
    assert_eq!(image, format!("kubernetes-on-eos/pause:{version}"));

    let printed = run(tool("docker").args(["run", "--rm", "--network", "none", image, "--version"]));
    assert_eq!(printed, format!("pause {version}\n"));

    let container = Container::start(image);
    assert_eq!(container.state("Status"), "running");
    let began = Instant::now();
    run(tool("docker").args(["stop", &container.0]));
    let took = began.elapsed();
    assert_eq!((container.state("Status").as_str(), container.state("ExitCode").as_str()), ("exited", "0"));
    assert!(took < Duration::from_secs(2), "it took {took:?} to stop");
    let size = Path::new(&archive).metadata().unwrap().len();
    assert!(size < 100 << 10, "the archive of an image of a few kB has {size} bytes");
}
