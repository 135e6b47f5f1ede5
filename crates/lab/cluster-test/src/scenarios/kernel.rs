//! The kernel stays up: nobody has written what takes EOS' kernel down, and the kernel has not complained.

use anyhow::{Context, Result, ensure};
use devices::Capability;

use crate::Scene;

/// What the first port died of: the resizing of this table. The stand-in keeps what was written to these in plain files.
const SIZES: [(&str, &str); 2] =
    [("/sys/module/nf_conntrack/parameters/hashsize", "8192"), ("/proc/sys/net/netfilter/nf_conntrack_max", "262144")];

/// What a kernel says when it is in trouble.
const TROUBLE: [&str; 6] = ["BUG:", "Oops", "Call Trace", "scheduling while atomic", "WARNING: CPU", "Kernel panic"];

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("conntrack's table has its sizes of the boot", |scene| conntrack_was_left_alone(scene))?;
    scene.step("no switch's kernel has complained since the run began", |scene| {
        for switch in scene.switches()? {
            let uptime = switch.exec_ok(["cat", "/proc/uptime"])?;
            let began = moment(&uptime).context("/proc/uptime has no number")? - scene.recorder.now();
            let log = switch.exec_ok(["dmesg"])?;
            let complaint = complaint(&log, began);
            ensure!(complaint.is_none(), "{}: {}", switch.name(), complaint.unwrap_or_default());
        }
        Ok(())
    })
}

/// Of each switch, since it booted.
pub(super) fn conntrack_was_left_alone(scene: &Scene<'_>) -> Result<()> {
    for switch in scene.switches()? {
        if scene.capabilities.has(Capability::KernelTraps) {
            for (file, as_booted) in SIZES {
                let size = switch.exec_ok(["cat", file])?;
                ensure!(size.trim() == as_booted, "{}: {file} holds {}", switch.name(), size.trim());
            }
        }
        let spoken = switch.sh("journalctl --boot --no-pager --unit=kube-proxy | grep -c hashsize || true")?;
        ensure!(spoken.trim() == "0", "{}'s kube-proxy speaks of hashsize in its log", switch.name());
    }
    Ok(())
}

/// The first line of the kernel's log since a moment, in seconds of its uptime, that tells of trouble.
fn complaint(log: &str, began: f64) -> Option<&str> {
    let since = |line: &&str| {
        let stamp = line.strip_prefix('[').and_then(|rest| moment(rest.split(']').next()?));
        stamp.is_none_or(|stamp| stamp >= began)
    };
    log.lines().filter(since).find(|line| TROUBLE.iter().any(|trouble| line.contains(trouble)))
}

fn moment(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_in_trouble_is_heard_unless_it_was_before_the_run() {
        let log =
            "[   12.000001] WARNING: CPU: 0 PID: 1 at mm/slab.c:1\n[  100.5] eth0: link up\n[ 200.25] Call Trace:\n";
        assert_eq!(complaint(log, 50.0), Some("[ 200.25] Call Trace:"));
        assert_eq!(complaint(log, 1.0), Some("[   12.000001] WARNING: CPU: 0 PID: 1 at mm/slab.c:1"));
        assert_eq!(complaint(log, 300.0), None);
    }
}
