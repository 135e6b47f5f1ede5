//! What `test` leaves out, and how it is run.

use common::command::find_on_path;

/// Something that is not among the tests, and how it is run.
type LeftOut = (&'static str, &'static str);

const ALWAYS: [LeftOut; 5] = [
    ("every scenario on topologies of stand-ins", "cargo xtask topo-test"),
    (
        "the scenario flannel, which needs a flanneld",
        "cargo xtask build-swix --release 1.12 --program flanneld, then cargo xtask topo-test --scenario flannel",
    ),
    ("fuzzing the kube-proxy's rules; here its targets are compiled", "docs/kube-proxy-diff.md says how"),
    ("power cuts on a real vfat, in QEMU", "KOE_VM=…, as CONTRIBUTING.md says"),
    ("what is too long for CI", "cargo xtask release-check"),
];

const LONG: LeftOut = ("first boots that take long", "cargo xtask test --group first-boot --long");
const DOCKER_TOPO: LeftOut =
    ("the built-in driver against docker-topo, which is not on PATH", "cargo xtask doctor says how to get it");
const CONTAINERLAB: LeftOut = (
    "what is written for containerlab against its schema",
    "KOE_CLAB_SCHEMA=…/schemas/clab.schema.json cargo xtask test",
);

/// Whether there is a docker-topo to compare with.
pub fn has_docker_topo() -> bool {
    find_on_path("docker-topo").is_some() || std::env::var_os("KOE_DOCKER_TOPO").is_some()
}

/// Whether containerlab's schema is named: it comes with containerlab's sources.
pub fn has_containerlab_s_schema() -> bool {
    std::env::var_os("KOE_CLAB_SCHEMA").is_some()
}

/// A line for each.
pub fn tell(long: bool) {
    println!("left out:");
    let sometimes = [(!long, LONG), (!has_docker_topo(), DOCKER_TOPO), (!has_containerlab_s_schema(), CONTAINERLAB)];
    let sometimes = sometimes.into_iter().filter_map(|(is, what)| is.then_some(what));
    for (what, how) in sometimes.chain(ALWAYS) {
        println!("  {what}: {how}");
    }
}
