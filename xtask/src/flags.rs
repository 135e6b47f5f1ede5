//! Every verb with its flags and help text, in one place.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Command, FromArgMatches, Parser, Subcommand, ValueEnum};
use common::Arch;
use recipes::OriginKind;

/// Kubernetes on Arista EOS switches: builds the SWIX, proves it, looks inside it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, arg_required_else_help = true)]
pub struct Xtask {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand)]
pub enum Verb {
    /// Build the SWIX, from pinned sources, into dist/
    BuildSwix(BuildSwix),
    /// Bring every source of a release into the cache
    Fetch(Fetch),
    /// Show every step of a build, whether it would run, and why
    Plan(Plan),
    /// Verify a SWIX and list what is inside, down to the programs' versions
    Inspect(Inspect),
    /// Run the tests of this project
    Test(Test),
    /// Say what this machine has and lacks for each verb
    Doctor(Doctor),
    /// Make the whole PKI of a cluster here, to carry it to the switches
    Pki(Pki),
    /// Show or trim the build cache
    Cache(Cache),
    /// Check or refresh a component's patches
    Patch(Patch),
    /// Build twice from empty caches in two directories and compare the SWIXes
    Reproduce(Reproduce),
    /// Measure what docs/ claims
    Bench(Bench),
    /// Make the images of a test topology, from Debian's packages alone
    Image(Image),
    /// Raise a test topology of containers and handle its devices
    Device(Device),
    /// Cut a switch's power at random moments of its boots and count how often it comes back whole
    PowerCuts(PowerCuts),
    /// Write a test topology for another program
    Topo(Topo),
    /// Raise a topology, install the SWIX on its switches, and play scenarios on the cluster that comes of it
    TopoTest(TopoTest),
    /// Compare our kube-proxy with upstream's: the table of cases, and random Services
    AgainstUpstream(AgainstUpstream),
    /// Let everything around our kube-proxy go wrong, for as long as you like
    Chaos(Chaos),
}

/// What to build and from where.
#[derive(Args, Clone)]
pub struct Selection {
    /// Release to build: a directory of recipes [default: the one that says so]
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,
    /// Directory of recipes
    #[arg(long, value_name = "DIR", default_value_os_t = crate::session::workspace().join("recipes"), hide_default_value = true)]
    pub recipes: PathBuf,
    /// The switch's architecture: 386 for 32-bit EOS, amd64 for EOS64
    #[arg(long, default_value = "386", value_name = "ARCH")]
    pub arch: Arch,
    /// Use only origins of this kind: https, git or debian
    #[arg(long, value_name = "KIND")]
    pub origin: Option<OriginKind>,
    /// Take a source from a tree or an archive that you have
    #[arg(long, value_name = "NAME=PATH", value_parser = name_and_path)]
    pub source: Vec<(String, PathBuf)>,
    /// Use what is in the cache and nothing else
    #[arg(long)]
    pub offline: bool,
}

#[derive(Args)]
pub struct BuildSwix {
    #[command(flatten)]
    pub selection: Selection,
    /// Steps to run side by side
    #[arg(long, value_name = "N", default_value_t = crate::session::default_jobs())]
    pub jobs: usize,
    /// Directory for the results
    #[arg(long, value_name = "DIR", default_value_os_t = crate::session::workspace().join("dist"), hide_default_value = true)]
    pub dist: PathBuf,
    /// Only this program of the release, and no SWIX
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// Do the same in a container, for hosts that are not Debian 12
    #[arg(long)]
    pub in_docker: bool,
}

impl BuildSwix {
    /// What `build-swix` without any flag would do.
    pub fn without_flags() -> BuildSwix {
        let command = BuildSwix::augment_args(Command::new("build-swix"));
        let matches = command.get_matches_from(["build-swix"]);
        BuildSwix::from_arg_matches(&matches).expect("every flag has a default")
    }
}

#[derive(Args)]
pub struct Fetch {
    #[command(flatten)]
    pub selection: Selection,
}

#[derive(Args)]
pub struct Plan {
    #[command(flatten)]
    pub selection: Selection,
    /// Print the steps with all their inputs as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Inspect {
    /// The SWIX
    pub file: PathBuf,
    /// Print everything that was found as JSON
    #[arg(long)]
    pub json: bool,
    /// Do not run the programs to ask for their versions
    #[arg(long)]
    pub no_run: bool,
}

#[derive(Args)]
pub struct Test {
    /// Only the tests that need no root, no network and no build
    #[arg(long)]
    pub fast: bool,
    /// Fail when something has to be skipped (always so where CI is set)
    #[arg(long)]
    pub no_skip: bool,
    /// Also the tests on the stand-in that take long
    #[arg(long, conflicts_with = "fast")]
    pub long: bool,
}

#[derive(Args)]
pub struct Pki {
    /// The cluster's cluster.toml
    #[arg(long, value_name = "FILE")]
    pub cluster: PathBuf,
    /// Directory for DIR/NODE/pki, as it goes to each switch's /mnt/flash/k8s, and for DIR/admin.kubeconfig
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Your own certificate authority; its first certificate signs
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    pub ca: Option<PathBuf>,
    /// The private key of --ca
    #[arg(long, value_name = "FILE", requires = "ca")]
    pub ca_key: Option<PathBuf>,
}

#[derive(Args)]
pub struct Doctor {}

#[derive(Args)]
pub struct Cache {
    #[command(subcommand)]
    pub action: Option<CacheAction>,
}

#[derive(Subcommand)]
pub enum CacheAction {
    /// List what is in the cache and what it weighs (the default)
    Show,
    /// Remove what the newest builds do not use
    Trim {
        /// Remove everything, downloads too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
pub struct Patch {
    #[command(subcommand)]
    pub action: PatchAction,
}

#[derive(Subcommand)]
pub enum PatchAction {
    /// Say for each patch whether and how it applies
    Check(PatchTarget),
    /// Write each patch again as it applies now: offsets gone, message kept
    Refresh(PatchTarget),
}

#[derive(Args)]
pub struct PatchTarget {
    #[command(flatten)]
    pub selection: Selection,
    /// Only this component
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
}

#[derive(Args)]
pub struct Reproduce {
    #[command(flatten)]
    pub selection: Selection,
}

#[derive(Args)]
pub struct Bench {
    pub what: BenchSubject,
    /// build: also time all that a newcomer waits for, from a clone to the SWIX, with every cache empty
    #[arg(long)]
    pub cold: bool,
    /// build: also compile hyperkube through xtask and by hand, each with an empty Go cache
    #[arg(long)]
    pub by_hand: bool,
    /// first-boot, pki, kube-proxy: how often each way is timed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: Option<u16>,
    #[command(flatten)]
    pub selection: Selection,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum BenchSubject {
    /// The build: a second run, a changed rootfs/ file, sizes; if asked for, from a clone to the SWIX, and against `go build` by hand
    Build,
    /// From the start of first boot to a Ready node, against the same services started by hand; memory of our daemon
    FirstBoot,
    /// The whole PKI of a three-node cluster as a 386 program, against cfssl and openssl for linux/386
    Pki,
    /// Our kube-proxy against upstream's, both for linux/386 and of the SWIX in dist/ or $KOE_DIST: memory, times, traffic, size
    KubeProxy,
}

#[derive(Args)]
pub struct Image {
    /// Which image
    pub which: ImageName,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ImageName {
    /// The stand-in for a 32-bit EOS switch
    Veos,
    /// The end host
    Host,
}

#[derive(Args)]
pub struct Device {
    #[command(subcommand)]
    pub action: DeviceAction,
    /// The topology, in docker-topo's format [default: topo/one.yml]
    #[arg(long, global = true, value_name = "FILE", default_value_os_t = crate::session::workspace().join("topo/one.yml"), hide_default_value = true)]
    pub topology: PathBuf,
}

#[derive(Subcommand)]
pub enum DeviceAction {
    /// Make and start every device of the topology, and wire them
    Up {
        /// SWIX to install on the switches at every boot [default: the newest in dist/]
        #[arg(long, value_name = "FILE")]
        swix: Option<PathBuf>,
        /// Leave the switches without a SWIX
        #[arg(long, conflicts_with = "swix")]
        no_swix: bool,
        /// cluster.toml for the switches' flash
        #[arg(long, value_name = "FILE")]
        cluster: Option<PathBuf>,
        /// Who makes the containers and links
        #[arg(long, default_value = "auto")]
        driver: DriverName,
        /// The program docker-topo, where it is not on PATH
        #[arg(long, value_name = "PATH")]
        docker_topo: Option<PathBuf>,
    },
    /// Shut a device down and start it again: a new root, the same flash
    Reboot { name: String },
    /// Cut a device's power: all its processes end at once
    Kill { name: String },
    /// Switch on a device that is off
    Start { name: String },
    /// Run a command on a device
    Exec {
        name: String,
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        argv: Vec<OsString>,
    },
    /// Open a shell on a device
    Shell { name: String },
    /// Say which devices are on
    Status,
    /// Take the topology away, flash too
    Down,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum DriverName {
    /// docker-topo where it is on PATH, else the built-in driver
    Auto,
    /// The program docker-topo
    DockerTopo,
    /// Ours
    BuiltIn,
}

#[derive(Args)]
pub struct Topo {
    #[command(subcommand)]
    pub action: TopoAction,
}

#[derive(Subcommand)]
pub enum TopoAction {
    /// Write it in another format than docker-topo's
    Export {
        /// For containerlab
        #[arg(long, required = true)]
        containerlab: bool,
        /// The topology, in docker-topo's format [default: topo/k8s.yml]
        #[arg(long, value_name = "FILE", default_value_os_t = crate::session::workspace().join("topo/k8s.yml"), hide_default_value = true)]
        topology: PathBuf,
        /// Where to write it [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Args)]
pub struct TopoTest {
    /// The topology, in docker-topo's format [default: topo/k8s.yml]
    #[arg(long, value_name = "FILE", default_value_os_t = crate::session::workspace().join("topo/k8s.yml"), hide_default_value = true)]
    pub topology: PathBuf,
    /// cluster.toml for the switches [default: topo/cluster.toml]
    #[arg(long, value_name = "FILE", default_value_os_t = crate::session::workspace().join("topo/cluster.toml"), hide_default_value = true)]
    pub cluster: PathBuf,
    /// SWIX to install [default: the newest in dist/, which is built where there is none]
    #[arg(long, value_name = "FILE")]
    pub swix: Option<PathBuf>,
    /// What raises the topology
    #[arg(long, value_enum, default_value_t = DriverName::Auto)]
    pub driver: DriverName,
    /// The program docker-topo, where it is not on PATH
    #[arg(long, value_name = "PATH")]
    pub docker_topo: Option<PathBuf>,
    /// Only this scenario and what it needs; may be given again
    #[arg(long, value_name = "NAME")]
    pub scenario: Vec<String>,
    /// How often to raise the topology and play the scenarios, each time anew
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "keep")]
    pub repeat: u32,
    /// Take the random choices of an earlier run [default: others each time]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// How long the master's control plane is away in the scenario of that name; 300 is a whole five minutes
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    pub master_away: u64,
    /// SWIX to upgrade to [default: made of the one to install, with a higher release]
    #[arg(long, value_name = "FILE")]
    pub next_swix: Option<PathBuf>,
    /// flanneld for the switches' architecture, for the scenario flannel [default: the SWIX' own, or the one in dist/]
    #[arg(long, value_name = "FILE")]
    pub flanneld: Option<PathBuf>,
    /// Where the report goes, in place of what an earlier run left there [default: dist/topo-test]
    #[arg(long, value_name = "DIR", default_value_os_t = crate::session::workspace().join("dist/topo-test"), hide_default_value = true)]
    pub report: PathBuf,
    /// List the scenarios and do nothing
    #[arg(long)]
    pub list: bool,
    /// Leave the topology up
    #[arg(long)]
    pub keep: bool,
    /// Take away what an earlier run left, and do nothing else
    #[arg(long, conflicts_with_all = ["list", "keep"])]
    pub destroy: bool,
}

#[derive(Args)]
pub struct PowerCuts {
    /// How many first boots to cut, each on a new flash
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub first_boot: u32,
    /// How many later boots to cut
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub later: u32,
    /// SWIX to install [default: the newest in dist/]
    #[arg(long, value_name = "FILE")]
    pub swix: Option<PathBuf>,
    /// Take the moments of an earlier run [default: others each time]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// The latest moment of a cut [default: when a boot that nothing disturbs is done]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub latest: Option<u64>,
    /// How many seconds a boot may take
    #[arg(long, value_name = "SECONDS", default_value_t = 240)]
    pub limit: u64,
}

#[derive(Args)]
pub struct AgainstUpstream {
    /// How many random states to compare by simulating the rules, on each kind of iptables
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub states: usize,
    /// How many random states to compare by real packets, too, on each kind of iptables
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub packets: usize,
    /// Take the random states of an earlier run [default: others each time]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Only this kind of iptables [default: both]
    #[arg(long, value_name = "KIND")]
    pub iptables: Option<IptablesKind>,
    /// Leave out the table of cases
    #[arg(long)]
    pub no_cases: bool,
}

#[derive(Args)]
pub struct Chaos {
    /// How long, e.g. 10m; every disturbance comes at least once
    #[arg(long = "for", value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// Take the course of an earlier run [default: another each time]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// The kind of iptables
    #[arg(long, value_name = "KIND", default_value = "legacy")]
    pub iptables: IptablesKind,
    /// How the kube-proxy proxies
    #[arg(long, default_value = "iptables")]
    pub mode: ProxyMode,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum IptablesKind {
    Legacy,
    Nft,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ProxyMode {
    Iptables,
    Userspace,
}

fn name_and_path(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=PATH, e.g. kubernetes=/src/kubernetes")?;
    if name.is_empty() || path.is_empty() {
        return Err("expected NAME=PATH, e.g. kubernetes=/src/kubernetes".into());
    }
    let path = std::path::absolute(path).map_err(|error| format!("{path:?} is not a path: {error}"))?;
    Ok((name.to_owned(), path))
}
