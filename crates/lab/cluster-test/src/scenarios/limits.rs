//! EOS' agents come first: each service of ours has what its unit says of memory, core files, oom score and capabilities, whatever the
//! service has made of it since, and no pod is counted among them.

use anyhow::{Context, Result, ensure};
use contract::{places::UNITS, services};

use super::pods;
use crate::{Scene, Switch};

/// What a service runs with, a line each.
const ASK: &str = r#"
    pid=$(systemctl show --property=MainPID "$service"); pid=${pid#*=}
    echo "score $(cat /proc/$pid/oom_score_adj)"
    echo "core $(sed -n 's/^Max core file size *//p' /proc/$pid/limits)"
    echo "goal $(tr '\0' '\n' </proc/$pid/environ | sed -n 's/^GOMEMLIMIT=//p')"
    echo "bounding $(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/$pid/status)"
    echo "slices $(grep -c "/$slice/" /proc/$pid/cgroup || true)"
    group=$(systemctl show --property=ControlGroup "$service"); group=${group#*=}
    echo "memory $(cat "/sys/fs/cgroup/memory$group/memory.limit_in_bytes" 2>/dev/null || true)"
"#;

/// The processes of containers that Docker runs, with their cgroups.
const PODS: &str = r#"
    for id in $(docker ps --quiet); do
        pid=$(docker inspect --format '{{.State.Pid}}' "$id")
        grep -H : "/proc/$pid/cgroup"
    done
"#;

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("each service runs with what its unit says", |scene| {
        for node in &scene.cluster.nodes {
            let switch = scene.switch(&node.name)?;
            let runs = |service: &&str| if services::MASTER.contains(service) { node.master } else { node.worker };
            for service in services::NAMES.iter().filter(|service| runs(service)) {
                let unit = switch.exec_ok(["cat", &format!("{UNITS}/{service}.service")])?;
                let facts = switch.sh(&format!("service={service}.service slice={}\n{ASK}", services::SLICE))?;
                let wrong = wrong(&unit, &facts);
                ensure!(wrong.is_empty(), "{} {service}: {}", node.name, wrong.join("; "));
            }
        }
        Ok(())
    })?;
    scene.step(
        "they weigh a quarter of what systemd's other services weigh, where the processor is short",
        |scene| {
            for switch in scene.switches()? {
                let shares = |slice: &str| switch.sh(&format!("cat /sys/fs/cgroup/cpu/{slice}/cpu.shares"));
                let (ours, others) = (shares(services::SLICE)?, shares("system.slice")?);
                ensure!((ours.trim(), others.trim()) == ("256", "1024"), "{}: {ours} and {others}", switch.name());
            }
            Ok(())
        },
    )?;
    scene.step("run a pod on every worker: none of them is in the slice", |scene| {
        pods::on_every_worker(scene)?;
        for switch in scene.workers()? {
            pods_are_elsewhere(&switch)?;
        }
        Ok(())
    })
}

fn pods_are_elsewhere(switch: &Switch<'_>) -> Result<()> {
    let cgroups = switch.sh(PODS)?;
    ensure!(cgroups.contains("/kubepods"), "{} runs no pod", switch.name());
    let ours = cgroups.lines().find(|line| line.contains(services::SLICE));
    ensure!(ours.is_none(), "{}: {}", switch.name(), ours.unwrap_or_default());
    Ok(())
}

/// Where a service does not run as its unit has it.
fn wrong(unit: &str, facts: &str) -> Vec<String> {
    let declared = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name));
    let fact = |name: &str| {
        let line = facts.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name}is not told"));
        line.map(str::trim)
    };
    let mut wrong = Vec::new();
    let mut compare = |name: &str, is_right: &dyn Fn(&str) -> bool, wanted: &str| match fact(name) {
        Ok(found) if is_right(found) => {}
        Ok(found) => wrong.push(format!("{name}is {found:?} and not {wanted:?}")),
        Err(error) => wrong.push(error.to_string()),
    };
    let score = declared("OOMScoreAdjust=").unwrap_or("declared");
    compare("score ", &|found| found == score, score);
    compare("core ", &|found| found.split_whitespace().take(2).eq(["0", "0"]), "0 and 0");
    let goal = declared("Environment=GOMEMLIMIT=").unwrap_or_default();
    compare("goal ", &|found| found == goal, goal);
    let bounding = declared("CapabilityBoundingSet=").unwrap_or("declared");
    compare("bounding ", &|found| u64::from_str_radix(found, 16).is_ok_and(|set| is_bounded(set, bounding)), bounding);
    compare("slices ", &|found| found != "0", "in the slice");
    if let Some(limit) = ["MemoryMax=", "MemoryLimit="].into_iter().find_map(declared) {
        let mib = limit.trim_end_matches('M').parse::<u64>().unwrap_or_default();
        let bytes = (mib << 20).to_string();
        compare("memory ", &|found| found == bytes, &bytes);
    }
    wrong
}

/// Of those that units of ours name, by their numbers in linux/capability.h.
fn is_bounded(set: u64, declared: &str) -> bool {
    let bit = |name: &str| match name {
        "CAP_DAC_OVERRIDE" => 1 << 1,
        "CAP_DAC_READ_SEARCH" => 1 << 2,
        "CAP_NET_ADMIN" => 1 << 12,
        "CAP_NET_BIND_SERVICE" => 1 << 10,
        "CAP_NET_RAW" => 1 << 13,
        "CAP_SYS_RESOURCE" => 1 << 24,
        _ => 0_u64,
    };
    match declared.strip_prefix('~') {
        Some(without) => set & bit(without) == 0 && set != 0,
        None => set == declared.split_whitespace().map(bit).sum::<u64>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str =
        "[Service]\nOOMScoreAdjust=400\nMemoryMax=256M\nEnvironment=GOMEMLIMIT=160MiB\nCapabilityBoundingSet=\n";
    const FACTS: &str = "score 400\ncore 0                    0                    bytes     \ngoal 160MiB\n\
                         bounding 0000000000000000\nslices 3\nmemory 268435456\n";

    #[test]
    fn a_service_that_does_not_run_as_its_unit_says_is_named_with_what_it_has() {
        assert_eq!(wrong(UNIT, FACTS), [""; 0]);
        for (from, to, said) in [
            ("score 400", "score -999", "score is \"-999\" and not \"400\""),
            ("core 0  ", "core unlimited  ", "core is"),
            ("goal 160MiB", "goal ", "goal is \"\""),
            ("bounding 0000000000000000", "bounding 000001ffffffffff", "bounding is"),
            ("slices 3", "slices 0", "in the slice"),
            ("memory 268435456", "memory 9223372036854771712", "memory is"),
            ("score 400\n", "", "score is not told"),
        ] {
            let found = wrong(UNIT, &FACTS.replacen(from, to, 1)).join("; ");
            assert!(found.contains(said), "{from}: {found}");
        }
        // etcd and the API server have no limit.
        let unlimited = UNIT.replace("MemoryMax=256M\n", "");
        assert_eq!(wrong(&unlimited, &FACTS.replace("memory 268435456", "memory 9223372036854771712")), [""; 0]);
    }

    #[test]
    fn what_a_unit_says_of_capabilities_is_compared_with_the_kernels_numbers() {
        for (set, declared, right) in [
            (0, "", true),
            (1, "", false),
            (4, "CAP_DAC_READ_SEARCH", true),
            (6, "CAP_DAC_READ_SEARCH", false),
            (2, "CAP_DAC_OVERRIDE", true),
            (0x3000, "CAP_NET_ADMIN CAP_NET_RAW", true),
            (0x1000, "CAP_NET_ADMIN CAP_NET_RAW", false),
            (0x1ff_feff_ffff, "~CAP_SYS_RESOURCE", true),
            (0x1ff_ffff_ffff, "~CAP_SYS_RESOURCE", false),
        ] {
            assert_eq!(is_bounded(set, declared), right, "{set:x} {declared}");
        }
    }
}
