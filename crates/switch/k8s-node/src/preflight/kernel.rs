//! What the kernel can do: cgroups, file systems, devices, netfilter.
//!
//! A feature is there where the kernel shows it, or where a module of it is installed; it is missing where the kernel's own list of what
//! it was built with says so, or where modules are installed and it is none of them. Else nobody can tell, but for vxlan, which is tried
//! out, in a network namespace that ends with the try.

use std::{collections::HashSet, fs, io::Read, path::Path, thread};

use common::netns;
use contract::places;
use flate2::read::GzDecoder;

use super::{Finding, Roles, Verdict};
use crate::program;

/// Without them kubelet 1.20 ends at its start.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuacct", "cpuset", "memory", "pids"];

/// Without the table `raw` or the target CT.
const TRACKED: &str = "conntrack tracks what only passes through the switch, and each question for a name";

struct Feature {
    name: &'static str,
    /// The kernel's option for it.
    option: &'static str,
    /// Where the kernel shows it: a file, or a line of /proc/filesystems.
    shown: Shown,
    for_workers_alone: bool,
    without: Verdict,
    /// What is without it, and what to do.
    then: &'static str,
}

enum Shown {
    FileSystem,
    Files(&'static [&'static str]),
}

const FEATURES: [Feature; 12] = [
    Feature {
        name: "squashfs",
        option: "CONFIG_SQUASHFS_XZ",
        shown: Shown::FileSystem,
        for_workers_alone: false,
        without: Verdict::Problem,
        then: "the programs cannot be mounted: take another version of EOS",
    },
    Feature {
        name: "loop",
        option: "CONFIG_BLK_DEV_LOOP",
        shown: Shown::Files(&["/dev/loop-control", "/dev/loop0", "/sys/module/loop"]),
        for_workers_alone: false,
        without: Verdict::Problem,
        then: "the programs cannot be mounted: take another version of EOS",
    },
    Feature {
        name: "ext4",
        option: "CONFIG_EXT4_FS",
        shown: Shown::FileSystem,
        for_workers_alone: false,
        without: Verdict::Remark,
        then: "Kubernetes' files can only lie on the flash's own file system; where that is vfat, which knows neither modes nor a journal, no \
               cluster begins unless cluster.toml has `allow_vfat = true` under [storage]",
    },
    Feature {
        name: "overlay",
        option: "CONFIG_OVERLAY_FS",
        shown: Shown::FileSystem,
        for_workers_alone: true,
        without: Verdict::Remark,
        then: "Docker copies every layer of an image (its driver vfs), which takes memory or disk: use few, small images",
    },
    Feature {
        name: "br_netfilter",
        option: "CONFIG_BRIDGE_NETFILTER",
        shown: Shown::Files(&["/proc/sys/net/bridge/bridge-nf-call-iptables", "/sys/module/br_netfilter"]),
        for_workers_alone: true,
        without: Verdict::Remark,
        then: "a pod does not reach a Service whose pod is on its own switch: spread such pods over switches",
    },
    Feature {
        name: "iptable_nat",
        option: "CONFIG_IP_NF_NAT",
        shown: Shown::Files(&["/sys/module/iptable_nat", "/sys/module/ip_tables", "/proc/net/ip_tables_names"]),
        for_workers_alone: false,
        without: Verdict::Problem,
        then: "there are no Services and no firewall of ours: take another version of EOS",
    },
    Feature {
        name: "iptable_mangle",
        option: "CONFIG_IP_NF_MANGLE",
        shown: Shown::Files(&["/sys/module/iptable_mangle", "/sys/module/nf_tables"]),
        for_workers_alone: false,
        without: Verdict::Problem,
        then: "nothing keeps pods from EOS' own ports: take another version of EOS",
    },
    Feature {
        name: "iptable_raw",
        option: "CONFIG_IP_NF_RAW",
        shown: Shown::Files(&["/sys/module/iptable_raw", "/sys/module/nf_tables"]),
        for_workers_alone: true,
        without: Verdict::Remark,
        then: TRACKED,
    },
    Feature {
        name: "xt_CT",
        option: "CONFIG_NETFILTER_XT_TARGET_CT",
        shown: Shown::Files(&["/sys/module/xt_CT"]),
        for_workers_alone: true,
        without: Verdict::Remark,
        then: TRACKED,
    },
    Feature {
        name: "xt_conntrack",
        option: "CONFIG_NETFILTER_XT_MATCH_CONNTRACK",
        shown: Shown::Files(&["/sys/module/xt_conntrack"]),
        for_workers_alone: false,
        without: Verdict::Problem,
        then: "there are no Services and no firewall of ours: take another version of EOS",
    },
    Feature {
        name: "xt_addrtype",
        option: "CONFIG_NETFILTER_XT_MATCH_ADDRTYPE",
        shown: Shown::Files(&["/sys/module/xt_addrtype"]),
        for_workers_alone: false,
        without: Verdict::Problem,
        then: "there are no node ports, and no api_allow nor nodeport_allow: take another version of EOS",
    },
    Feature {
        name: "xt_TCPMSS",
        option: "CONFIG_NETFILTER_XT_TARGET_TCPMSS",
        shown: Shown::Files(&["/sys/module/xt_TCPMSS"]),
        for_workers_alone: true,
        without: Verdict::Remark,
        then: "pods that began with larger packets than VXLAN takes rely on ICMP errors: restart them after a change to VXLAN",
    },
];

pub fn look(roles: Roles) -> Vec<Finding> {
    let mut found = Vec::new();
    if roles.worker {
        found.push(cgroups(&text("/proc/cgroups"), &text("/proc/mounts")));
    }
    let built = Built::of_this_kernel();
    let needed = FEATURES.iter().filter(|feature| roles.worker || !feature.for_workers_alone);
    found.extend(needed.map(|feature| feature.look(&built)));
    if roles.worker {
        found.push(vxlan(&built));
    }
    found
}

fn text(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// By what the kernel lists, and what is mounted.
fn cgroups(listed: &str, mounts: &str) -> Finding {
    let finding = |verdict, said: String| Finding::new("cgroups", verdict, said);
    let mounted: Vec<(&str, &str)> = mounts
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let kind = *fields.get(2)?;
            kind.starts_with("cgroup").then(|| Some((kind, *fields.get(3)?)))?
        })
        .collect();
    let enabled: HashSet<&str> = listed
        .lines()
        .filter(|line| !line.starts_with('#') && line.split_whitespace().nth(3) == Some("1"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let missing = |there: &dyn Fn(&str) -> bool| {
        CONTROLLERS.into_iter().filter(|name| !there(name)).collect::<Vec<_>>().join(", ")
    };
    let unknown = missing(&|name| enabled.contains(name));
    if !unknown.is_empty() {
        let said = format!(
            "the kernel has no cgroup {unknown}, without which kubelet does not start: boot a newer EOS on the workers; a master \
             alone does without"
        );
        return finding(Verdict::Problem, said);
    }
    if mounted.iter().all(|(kind, _)| *kind == "cgroup2") && !mounted.is_empty() {
        let said = "cgroup v2 alone is mounted, on which this was never run: where kubelet does not start, boot with \
                    systemd.unified_cgroup_hierarchy=0";
        return finding(Verdict::Remark, said.into());
    }
    let has = |name: &str| mounted.iter().any(|(_, options)| options.split(',').any(|option| option == name));
    let unmounted = missing(&has);
    if !unmounted.is_empty() {
        let first = unmounted.split(", ").next().unwrap_or_default();
        let said = format!(
            "the cgroup {unmounted} is mounted nowhere, and kubelet does not start without: for each, `mkdir -p /sys/fs/cgroup/{first} && \
             mount -t cgroup -o {first} cgroup /sys/fs/cgroup/{first}`"
        );
        return finding(Verdict::Problem, said);
    }
    finding(Verdict::Good, format!("{}: all mounted", CONTROLLERS.join(", ")))
}

/// What the kernel was built with, as far as the switch says.
#[derive(Debug, Default)]
struct Built {
    file_systems: HashSet<String>,
    /// Those of /lib/modules, and those that are built in; none where there is no such directory.
    modules: Option<HashSet<String>>,
    /// /proc/config.gz.
    options: Option<HashSet<String>>,
}

impl Built {
    fn of_this_kernel() -> Built {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        Built::read(&text("/proc/filesystems"), &Path::new("/lib/modules").join(release), Path::new("/proc/config.gz"))
    }

    fn read(file_systems: &str, modules: &Path, config: &Path) -> Built {
        let file_systems = file_systems.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned);
        let lists = ["modules.dep", "modules.builtin"].map(|list| fs::read_to_string(modules.join(list)).ok());
        let modules =
            lists[0].is_some().then(|| lists.iter().flatten().flat_map(|list| list.lines()).map(module).collect());
        let options = fs::File::open(config).ok().and_then(|file| {
            let mut text = String::new();
            GzDecoder::new(file).read_to_string(&mut text).ok()?;
            let set = |line: &str| line.strip_suffix("=y").or_else(|| line.strip_suffix("=m")).map(str::to_owned);
            Some(text.lines().filter_map(set).collect())
        });
        Built { file_systems: file_systems.collect(), modules, options }
    }

    /// None where nobody can tell.
    fn has(&self, name: &str, option: &str) -> Option<bool> {
        if let Some(options) = &self.options {
            return Some(options.contains(option));
        }
        self.modules.as_ref().map(|modules| modules.contains(name))
    }
}

/// The module that a line of modules.dep or modules.builtin begins with.
fn module(line: &str) -> String {
    let file = line.split(':').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    file.split(".ko").next().unwrap_or_default().replace('-', "_")
}

impl Feature {
    fn look(&self, built: &Built) -> Finding {
        let is_shown = match self.shown {
            Shown::FileSystem => built.file_systems.contains(self.name),
            Shown::Files(files) => files.iter().any(|file| Path::new(file).exists()),
        };
        // squashfs alone does not say that it reads xz; what is mounted does.
        let of_xz = self.name != "squashfs" || Path::new(places::RELEASE).exists() || built.options.is_none();
        match (is_shown && of_xz) || built.has(self.name, self.option) == Some(true) {
            true => Finding::good(self.name, "the kernel has it"),
            false if built.has(self.name, self.option).is_none() => {
                Finding::good(self.name, format!("nobody can tell whether the kernel has it; without it {}", self.then))
            }
            false => Finding::new(self.name, self.without, format!("the kernel lacks it: {}", self.then)),
        }
    }
}

const VXLAN: &str = "vxlan";

/// Tried out where nothing else tells, as the kernel is long at taking a network namespace away again.
fn vxlan(built: &Built) -> Finding {
    let lacks = "where whatever forwards between the switches knows the pods' ranges, write backend = \"routes\" below [network]; else pods \
                 do not reach those of other switches";
    let shown = Path::new("/sys/module/vxlan").exists().then_some(true);
    match shown.or_else(|| built.has(VXLAN, "CONFIG_VXLAN")).or_else(apart) {
        Some(true) => Finding::good(VXLAN, "the kernel has it"),
        Some(false) => Finding::remark(VXLAN, format!("the kernel lacks it: {lacks}")),
        None => Finding::good(VXLAN, "nobody can tell whether the kernel has it: look as root"),
    }
}

/// On a thread of its own.
fn apart() -> Option<bool> {
    thread::scope(|scope| scope.spawn(try_vxlan).join()).unwrap_or(None)
}

/// This thread's network is another one from then on. None where it may not look.
fn try_vxlan() -> Option<bool> {
    let _namespace = netns::unshare().ok()?;
    let device = ["link", "add", "koe-preflight", "type", "vxlan", "id", "1", "dstport", "4790"];
    let made = program::new("ip", "try a device").ok()?.args(device).output().ok()?;
    let said = String::from_utf8_lossy(&made.stderr).to_lowercase();
    match made.status.success() {
        true => Some(true),
        false if said.contains("not supported") || said.contains("unknown device type") => Some(false),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const LISTED: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t9\t1\t1\ncpu\t3\t1\t1\ncpuacct\t3\t1\t1\n\
                          memory\t5\t1\t1\npids\t7\t1\t1\nhugetlb\t8\t1\t1\n";
    const MOUNTS: &str = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n\
                          cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                          cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,memory 0 0\n\
                          cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n";

    #[test]
    fn a_cgroup_that_kubelet_does_not_start_without_is_a_problem() {
        assert_eq!(cgroups(LISTED, MOUNTS).verdict, Verdict::Good);
        // As the table of an old EOS has it.
        let old = LISTED.replace("pids\t7\t1\t1\nhugetlb\t8\t1\t1\n", "");
        let found = cgroups(&old, MOUNTS);
        assert!(found.verdict == Verdict::Problem && found.said.contains("no cgroup pids"), "{found:?}");
        let found = cgroups(&LISTED.replace("memory\t5\t1\t1", "memory\t5\t1\t0"), MOUNTS);
        assert!(found.verdict == Verdict::Problem && found.said.contains("no cgroup memory"), "{found:?}");
        let found = cgroups(LISTED, &MOUNTS.replace("cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n", ""));
        assert!(found.verdict == Verdict::Problem && found.said.contains("mount -t cgroup -o pids"), "{found:?}");
        let found = cgroups(LISTED, "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n");
        assert!(found.verdict == Verdict::Remark && found.said.contains("unified_cgroup_hierarchy=0"), "{found:?}");
    }

    fn built(modules: Option<&str>, config: Option<&str>) -> Built {
        let directory = tempfile::tempdir().unwrap();
        if let Some(modules) = modules {
            fs::write(directory.path().join("modules.dep"), modules).unwrap();
            fs::write(directory.path().join("modules.builtin"), "kernel/fs/ext4/ext4.ko\n").unwrap();
        }
        let file = directory.path().join("config.gz");
        if let Some(config) = config {
            let mut gzip = GzEncoder::new(fs::File::create(&file).unwrap(), Compression::fast());
            gzip.write_all(config.as_bytes()).unwrap();
            gzip.finish().unwrap();
        }
        Built::read("nodev\tproc\n\tvfat\n", directory.path(), &file)
    }

    fn feature(name: &str) -> &'static Feature {
        FEATURES.iter().find(|feature| feature.name == name).unwrap()
    }

    #[test]
    fn a_feature_is_there_as_a_module_built_in_or_in_use_and_missing_only_where_the_kernel_says_so() {
        let modules = "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n\
                       kernel/fs/overlayfs/overlay.ko:\nkernel/net/ipv4/netfilter/iptable-nat.ko:\n";
        let of_modules = built(Some(modules), None);
        for (name, has) in
            [("vxlan", true), ("ext4", true), ("overlay", true), ("iptable_nat", true), ("squashfs", false)]
        {
            assert_eq!(of_modules.has(name, "CONFIG_NONE"), Some(has), "{name}");
        }
        assert_eq!(feature("ext4").look(&of_modules).verdict, Verdict::Good);
        let found = feature("squashfs").look(&of_modules);
        assert!(found.verdict == Verdict::Problem && found.said.contains("another version of EOS"), "{found:?}");
        // Without xz, squashfs is of no use.
        let config =
            "CONFIG_EXT4_FS=m\nCONFIG_SQUASHFS=y\n# CONFIG_SQUASHFS_XZ is not set\n# CONFIG_OVERLAY_FS is not set\n";
        let mut of_config = built(None, Some(config));
        of_config.file_systems.insert("squashfs".into());
        assert_eq!(feature("squashfs").look(&of_config).verdict, Verdict::Problem);
        assert_eq!(feature("ext4").look(&of_config).verdict, Verdict::Good);
        assert_eq!(feature("overlay").look(&of_config).verdict, Verdict::Remark);
        let unknown = feature("ext4").look(&built(None, None));
        assert!(unknown.verdict == Verdict::Good && unknown.said.starts_with("nobody can tell"), "{unknown:?}");
    }

    #[test]
    #[ignore = "needs root, for a network namespace"]
    fn vxlan_is_tried_where_nobody_sees_it() {
        let links = || fs::read_dir("/sys/class/net").unwrap().count();
        let before = links();
        // The kernels that this is developed on have it.
        assert_eq!(apart(), Some(true));
        assert_eq!(vxlan(&built(Some("kernel/drivers/net/vxlan.ko:"), None)).verdict, Verdict::Good);
        assert_eq!(links(), before);
    }
}
