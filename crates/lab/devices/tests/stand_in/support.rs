//! A lab of its own for each test, taken away at the test's end however it ends.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Output,
    sync::OnceLock,
    time::Duration,
};

use common::{Arch, command::Program, progress::Silent, retry};
use devices::images::{Image, ImageRecipe, StandIns};
use devices::{Device, Flash, Lab, LabGuard, Options, Traits};
use swix::{SourceDate, archive, rpm, tree::Entry};
use topology::Topology;

pub const BOOT: Duration = Duration::from_secs(120);

/// Brings up a topology of the test's own.
pub fn lab_of(topology: &Topology) -> LabGuard {
    let stand_ins = if topology.switches().next().is_some() { make_images() } else { host_image().collect() };
    lab_with(topology, &BTreeMap::new(), stand_ins)
}

pub fn lab_with(topology: &Topology, flash: &BTreeMap<String, Flash>, stand_ins: StandIns) -> LabGuard {
    // What an earlier run left that was killed.
    Lab::ensure_down(topology).unwrap();
    let options = Options { stand_ins, ..Options::default() };
    Lab::up_with(topology, flash, &options, &Silent).unwrap().into()
}

/// Brings up a topology of this repository under a prefix of its own, and waits until every switch has booted.
pub fn lab_up(file: &str, prefix: &str, flash: &BTreeMap<String, Flash>) -> LabGuard {
    let topology = Topology::load(&repository().join("topo").join(file)).unwrap().under_prefix(prefix);
    let lab = lab_with(&topology, flash, make_images());
    for switch in topology.switches() {
        let device = lab.device(&switch.name).unwrap();
        let state = device.wait_until_booted(BOOT).unwrap();
        let failed = device.exec_ok(["systemctl", "--failed", "--no-legend"]).unwrap();
        assert_eq!((state.as_str(), failed.as_str()), ("running", ""), "{}", switch.name);
    }
    lab
}

/// Brings up the only switch of one.yml, with its host, with what its flash has and traits of its own.
pub fn one_switch(prefix: &str, traits: &[(&str, bool)], flash: Flash) -> LabGuard {
    let traits = traits.iter().try_fold(Traits::default(), |all, (name, on)| all.with(name, *on)).unwrap();
    lab_up("one.yml", prefix, &BTreeMap::from([("veos-b".to_owned(), flash.with_traits(&traits))]))
}

/// Makes NAME.swix of a package of that name with a link in /opt, whose scriptlets are these.
pub fn swix_with(directory: &Path, name: &str, post: &str, preun: &str) -> PathBuf {
    let package = rpm::Package {
        name: name.into(),
        version: "1".into(),
        release: "1".into(),
        arch: Arch::I386,
        summary: "A link".into(),
        description: "A link".into(),
        license: "Apache-2.0".into(),
        url: "https://example.com".into(),
        vendor: "nobody".into(),
        date: SourceDate(1_610_541_600),
        entries: vec![Entry::symlink(format!("opt/{name}"), "target")],
        scriptlets: rpm::Scriptlets { post: Some(format!("{post}\n")), preun: Some(format!("{preun}\n")) },
    };
    let rpm = directory.join(package.file_name());
    package.write(&rpm).unwrap();
    let swix = directory.join(format!("{name}.swix"));
    archive::write(&[rpm], &swix).unwrap();
    swix
}

/// What EOS' command line prints, and whether it took the lines.
pub fn cli(device: &Device, lines: &str) -> (bool, String) {
    said(&device.exec(["FastCli", "-p", "15", "-c", lines]).unwrap())
}

pub fn cli_ok(device: &Device, lines: &str) -> String {
    let (taken, said) = cli(device, lines);
    assert!(taken, "{lines}: {said}");
    said
}

/// How a command ended, and all that it printed.
pub fn said(output: &Output) -> (bool, String) {
    let words = [&output.stdout[..], &output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&words).into_owned())
}

/// Repeats a command until it succeeds.
pub fn until_it_succeeds(device: &Device, limit: Duration, argv: &[&str]) -> String {
    let what = format!("`{}` on {}", argv.join(" "), device.name());
    let printed = retry::until(&what, limit, Duration::from_millis(500), || Ok(device.exec_ok(argv)?));
    printed.unwrap_or_else(|error| panic!("{error:#}"))
}

pub fn ping(from: &Device, address: &str) {
    until_it_succeeds(from, Duration::from_secs(60), &["ping", "-c", "1", "-W", "1", address]);
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

/// The images of this working tree, made once.
pub fn make_images() -> StandIns {
    static MADE: OnceLock<Image> = OnceLock::new();
    host_image().chain([MADE.get_or_init(|| make_image("veos")).clone()]).collect()
}

pub fn host_image() -> impl Iterator<Item = Image> {
    static MADE: OnceLock<Image> = OnceLock::new();
    std::iter::once(MADE.get_or_init(|| make_image("host")).clone())
}

fn make_image(name: &str) -> Image {
    let directory = tempfile::tempdir().unwrap();
    let recipe = ImageRecipe::load(&repository().join("docker").join(name)).unwrap();
    recipe.build(&repository(), &directory.path().join("log"), &Silent).unwrap().image
}

/// Fails where Docker has a container or a network of that prefix, or this machine a file of its lab.
pub fn nothing_is_left(prefix: &str) {
    nothing_is_in_docker(prefix);
    let find = Program::new("find", "look for what was left").unwrap().args(["/run", "-maxdepth", "3"]);
    assert_eq!(find.args(["-name", prefix]).read().unwrap(), "");
}

pub fn nothing_is_in_docker(prefix: &str) {
    for command in [["container", "ls", "--all"].as_slice(), &["network", "ls"]] {
        let docker = Program::new("docker", "look for what was left").unwrap().args(command);
        let found = docker.args(["--quiet", "--filter", &format!("label={prefix}")]).read().unwrap();
        assert_eq!(found, "", "{command:?}");
    }
}
