//! `doctor`: what this machine has and lacks for each verb, and how to get it.

mod docker_topo;
mod i386;

use anyhow::Result;
use clap::Args;
use common::command::find_on_path;

pub use self::i386::runs_linux_386;

#[derive(Args)]
pub struct Doctor {}

/// A program that some verbs need, and Debian's package for it.
pub struct Need {
    pub program: &'static str,
    to: &'static str,
    package: &'static str,
}

const fn need(program: &'static str, to: &'static str, package: &'static str) -> Need {
    Need { program, to, package }
}

const BUILD: &[Need] = &[
    need("git", "fetch commits and apply patches", "git"),
    need("gcc", "link the Rust programs", "gcc"),
    need("ld", "link the Rust programs", "binutils"),
    need("apt-get", "fetch Debian's packages, without installing them", "apt"),
    need("dpkg-deb", "unpack Debian's packages", "dpkg"),
];

pub const TEST: &[Need] = &[
    need("rpm", "read and install the RPM", "rpm"),
    need("rpm2cpio", "unpack the RPM's payload", "rpm"),
    need("cpio", "unpack the RPM's payload", "cpio"),
    need("unsquashfs", "read the image", "squashfs-tools"),
    need("unzip", "test the SWIX as a zip archive", "unzip"),
    need("zip", "let swi-tools sign the SWIX", "zip"),
    need("openssl", "verify certificates, make a test key for swi-tools", "openssl"),
    need("cfssl", "make certificates to compare ours with", "golang-cfssl"),
    need("swig", "install swi-tools", "swig"),
    need("python3", "install swi-tools", "python3-venv"),
    need("debootstrap", "make an i386 root to install into", "debootstrap"),
    need("shellcheck", "check the scripts", "shellcheck"),
    need("dockerd", "load the pause image", "docker.io"),
    need("ip", "wire network namespaces for the kube-proxy", "iproute2"),
    need("iptables", "let kube-proxies write rules", "iptables"),
    need("conntrack", "let upstream's kube-proxy forget UDP flows", "conntrack"),
    need("systemd-analyze", "verify the units", "systemd"),
    need("ssh", "reach a stand-in as a vEOS is reached", "openssh-client"),
];

const IMAGE: &[Need] = &[
    need("docker", "build the image", "docker.io"),
    need("debootstrap", "make a Debian of packages alone", "debootstrap"),
    need("tar", "pack the root", "tar"),
    need("gcc", "link the runtime wrapper", "gcc"),
];

const DEVICE: &[Need] = &[need("docker", "run the devices", "docker.io")];

const IN_DOCKER: &[Need] = &[need("docker", "build in a container", "docker.io")];

const DIFFERENTIAL: &[Need] = &[
    need("ip", "wire network namespaces for the kube-proxy", "iproute2"),
    need("iptables", "let kube-proxies write rules", "iptables"),
    need("conntrack", "let upstream's kube-proxy forget UDP flows", "conntrack"),
];

/// Every verb, with what it needs.
const GROUPS: [(&str, &[Need]); 7] = [
    ("build-swix, fetch, plan, patch, reproduce, bench", BUILD),
    ("inspect, cache, doctor, pki, topo", &[]),
    ("test, release-check", TEST),
    ("build-swix --in-docker", IN_DOCKER),
    ("image (as root)", IMAGE),
    ("device, topo-test, power-cuts (as root)", DEVICE),
    ("against-upstream, chaos (as root)", DIFFERENTIAL),
];

impl Doctor {
    pub fn run(self) -> Result<()> {
        let mut lacking = 0;
        for (verbs, needs) in GROUPS {
            let found: Vec<bool> = needs.iter().map(|need| find_on_path(need.program).is_some()).collect();
            let missing = found.iter().filter(|found| !**found).count();
            lacking += missing;
            println!("{verbs}: {}", if missing == 0 { "everything is there" } else { "something is missing" });
            for (need, found) in needs.iter().zip(found) {
                let what = format!("{:12} to {}", need.program, need.to);
                report(&what, found, &format!("apt-get install {}", need.package));
            }
        }
        println!("device with docker-topo in place of the built-in driver (optional):");
        println!("{}", docker_topo::line());
        println!("this machine:");
        for (fact, ok, hint) in facts() {
            report(&fact, ok, &hint);
            lacking += usize::from(!ok);
        }
        if lacking > 0 {
            println!("{lacking} missing; the verbs beside which everything is there work as it is");
        }
        Ok(())
    }
}

/// One line; the hint says what to do where it is not so.
fn report(what: &str, ok: bool, hint: &str) {
    if ok {
        println!("  ok      {what}");
    } else {
        println!("  MISSING {what}: {hint}");
    }
}

/// What is not a program: (fact, whether it is so, what to do).
fn facts() -> [(String, bool, String); 4] {
    let suites = sources::debian_suites();
    let apt_has = |of: &str, suite: &str| {
        let hint = format!("add Debian's suite {suite} to apt's sources, or use --in-docker");
        (format!("apt sources of {of} ({suite})"), suites.iter().any(|known| known == suite), hint)
    };
    let cache = pipeline::cache::default_directory().map_or_else(
        |_| ("a directory for the build cache".to_owned(), false, "set KOE_CACHE".to_owned()),
        |directory| (format!("build cache in {}", directory.display()), true, String::new()),
    );
    let (kernel, hint) = ("a kernel that runs linux/386 programs", "boot a kernel with CONFIG_IA32_EMULATION");
    [
        apt_has("Debian 12", "bookworm"),
        apt_has("Debian 12's security suite", "bookworm-security"),
        (kernel.to_owned(), runs_linux_386(), hint.to_owned()),
        cache,
    ]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_verb_stands_in_a_group() {
        for verb in crate::Xtask::command().get_subcommands().map(clap::Command::get_name) {
            let has = |verbs: &str| verbs.split([',', ' ']).any(|word| word == verb);
            assert!(GROUPS.iter().any(|(verbs, _)| has(verbs)), "doctor does not say what {verb} needs");
        }
    }
}
