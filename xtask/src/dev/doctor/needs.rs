//! What each verb needs. Debian's essential packages are everywhere, and whoever got as far as here has cargo and rustc.

use std::mem;

/// Something that a verb does not work without.
pub enum Need {
    /// A program, what for, and Debian's package that has it.
    Program { name: &'static str, to: &'static str, package: &'static str },
    /// A Docker engine that answers, and what for.
    Engine { to: &'static str },
    /// Root's rights, and what for.
    Root { to: &'static str },
    /// A kernel that runs linux/386 programs.
    Linux386,
    /// One of Debian's suites from apt's sources, or from the mirror that they name, and what it is of.
    Suite { name: &'static str, of: &'static str },
    /// A place for the build cache.
    Cache,
    /// A SWIX in dist/.
    Swix,
    /// A SWIX in dist/, or all that it takes to build one.
    SwixOrBuild,
}

impl Need {
    /// Whether the two ask for the same, maybe for something else.
    fn is_as(&self, other: &Need) -> bool {
        match (self, other) {
            (Need::Program { name, .. }, Need::Program { name: other, .. }) => name == other,
            (Need::Suite { name, .. }, Need::Suite { name: other, .. }) => name == other,
            _ => mem::discriminant(self) == mem::discriminant(other),
        }
    }
}

const fn need(name: &'static str, to: &'static str, package: &'static str) -> Need {
    Need::Program { name, to, package }
}

/// Also of a verb that builds a SWIX first.
pub const BUILD: &[Need] = &[
    need("git", "fetch commits and apply patches", "git"),
    need("gcc", "link the Rust programs", "gcc"),
    need("ld", "link the Rust programs", "binutils"),
    need("ar", "pack a library for them", "binutils"),
    need("apt-get", "fetch Debian's packages, without installing them", "apt"),
    Need::Suite { name: "bookworm", of: "Debian 12" },
    Need::Suite { name: "bookworm-security", of: "Debian 12's security suite" },
    Need::Linux386,
    Need::Cache,
];

/// Of a verb that asks Debian's suites what they have.
const SUITES: &[Need] = &[
    need("apt-get", "read Debian's lists of packages", "apt"),
    Need::Suite { name: "bookworm", of: "Debian 12" },
    Need::Suite { name: "bookworm-security", of: "Debian 12's security suite" },
    Need::Cache,
];

const TEST: &[Need] = &[
    Need::Root { to: "mount images and install packages into a root" },
    Need::Engine { to: "run the stand-ins and the pause image" },
    Need::Linux386,
    need("git", "list the scripts", "git"),
    need("rpm", "read and install the RPM", "rpm"),
    need("rpm2cpio", "unpack the RPM's payload", "rpm"),
    need("cpio", "unpack the RPM's payload", "cpio"),
    need("unsquashfs", "read the image", "squashfs-tools"),
    need("e2fsck", "judge the file system that the state is in", "e2fsprogs"),
    need("readelf", "read the programs' headers", "binutils"),
    need("unzip", "test the SWIX as a zip archive", "unzip"),
    need("zip", "let swi-tools sign the SWIX", "zip"),
    need("openssl", "verify certificates, make a test key for swi-tools", "openssl"),
    need("dig", "ask the name service as others do", "bind9-dnsutils"),
    need("cfssl", "make certificates to compare ours with", "golang-cfssl"),
    need("gpg", "sign a suite of the tests' own", "gnupg"),
    need("minisign", "verify what sign-dist signed", "minisign"),
    need("swig", "install swi-tools", "swig"),
    need("python3", "install swi-tools", "python3-venv"),
    need("shellcheck", "check the scripts", "shellcheck"),
    need("systemd-analyze", "verify the units", "systemd"),
    need("ssh", "reach a stand-in as a vEOS is reached", "openssh-client"),
];

/// The images of the stand-ins are made where they are not there.
const IMAGE: &[Need] = &[
    Need::Root { to: "make a Debian of packages alone" },
    Need::Engine { to: "build the image" },
    need("debootstrap", "make a Debian of packages alone", "debootstrap"),
    need("tar", "pack the root", "tar"),
    need("gcc", "link the program for the pods, and the runtime wrapper", "gcc"),
    Need::Cache,
];

const DEVICE: &[Need] =
    &[Need::Root { to: "wire the devices" }, Need::Engine { to: "run the devices" }, Need::Linux386];

const RECORDED: &[Need] = &[
    need("tar", "unpack the first release's recorded flash", "tar"),
    need("xz", "unpack the first release's recorded flash", "xz-utils"),
];

const IN_DOCKER: &[Need] = &[Need::Engine { to: "build in a container" }, Need::Linux386, Need::Cache];

const DIFFERENTIAL: &[Need] = &[Need::Root { to: "make network namespaces" }, Need::Linux386, Need::Swix];

const KUBE_PROXY: &[Need] = &[
    need("ip", "wire network namespaces for the kube-proxy", "iproute2"),
    need("iptables", "let kube-proxies write rules", "iptables"),
    need("conntrack", "let upstream's kube-proxy forget UDP flows", "conntrack"),
];

const PACKING: &[Need] = &[
    need("unzip", "take the SWIX apart", "unzip"),
    need("rpm2cpio", "take the RPM apart", "rpm2cpio"),
    need("cpio", "take the RPM apart", "cpio"),
    need("unsquashfs", "take the programs' image apart", "squashfs-tools"),
    need("mksquashfs", "pack the programs in other ways", "squashfs-tools"),
];

/// Verbs that need the same.
pub struct Verbs {
    pub names: &'static [&'static str],
    needs: &'static [&'static [Need]],
}

impl Verbs {
    /// What several of their needs ask for stands once.
    pub fn needs(&self) -> Vec<&'static Need> {
        let mut all: Vec<&Need> = vec![];
        for need in self.needs.iter().copied().flatten() {
            if all.iter().all(|known| !known.is_as(need)) {
                all.push(need);
            }
        }
        all
    }
}

/// Every verb.
pub const VERBS: &[Verbs] = &[
    Verbs {
        names: &["build-swix", "fetch", "plan", "patch", "reproduce", "first-release", "bench build", "bench pki"],
        needs: &[BUILD],
    },
    Verbs { names: &["audit --prove"], needs: &[BUILD, &[Need::Root { to: "mount what a test mounts" }]] },
    Verbs { names: &["update", "outdated"], needs: &[SUITES] },
    Verbs {
        names: &["inspect", "audit", "diff", "sign", "sign-dist", "verify", "cache", "doctor", "pki", "topo"],
        needs: &[],
    },
    Verbs { names: &["test"], needs: &[TEST, IMAGE, RECORDED, KUBE_PROXY] },
    Verbs { names: &["build-swix --in-docker"], needs: &[IN_DOCKER] },
    Verbs { names: &["image"], needs: &[IMAGE] },
    Verbs { names: &["device"], needs: &[DEVICE] },
    Verbs { names: &["topo-test"], needs: &[DEVICE, IMAGE, RECORDED, &[Need::SwixOrBuild]] },
    Verbs { names: &["conformance"], needs: &[BUILD, DEVICE, IMAGE, &[Need::SwixOrBuild]] },
    Verbs { names: &["power-cuts", "bench first-boot"], needs: &[DEVICE, IMAGE, &[Need::Swix]] },
    Verbs { names: &["bench packing"], needs: &[DEVICE, IMAGE, PACKING, &[Need::Swix]] },
    Verbs { names: &["against-upstream", "chaos", "bench kube-proxy"], needs: &[KUBE_PROXY, DIFFERENTIAL] },
    Verbs { names: &["release-check"], needs: &[BUILD, TEST, DEVICE, IMAGE, RECORDED, KUBE_PROXY, DIFFERENTIAL] },
];
