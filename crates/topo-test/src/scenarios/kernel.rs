//! The kernel stays up: nobody has written what takes EOS' kernel down, and the kernel has not complained.

use anyhow::{Result, ensure};

use crate::{Scenario, Scene};

pub const SCENARIO: Scenario = Scenario {
    name: "kernel",
    purpose: "conntrack's hash table was left alone on every switch, and no kernel warning was logged",
    needs: &["services"],
    play,
};

/// What the first port died of: the resizing of this table. The stand-in keeps what was written to it in a plain file.
const HASH_SIZE: &str = "/sys/module/nf_conntrack/parameters/hashsize";
const AS_BOOTED: &str = "8192";

/// What a kernel says when it is in trouble.
const TROUBLE: [&str; 6] = ["BUG:", "Oops", "Call Trace", "scheduling while atomic", "WARNING: CPU", "Kernel panic"];

fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("conntrack's hash table has its size of the boot", |scene| {
        for switch in scene.switches()? {
            let size = switch.exec_ok(["cat", HASH_SIZE])?;
            let stand_in = scene.lab.device(switch.name())?.identity()?.to_string().contains("stand-in");
            ensure!(!stand_in || size.trim() == AS_BOOTED, "{}: {HASH_SIZE} holds {}", switch.name(), size.trim());
            let upstream = switch.sh("journalctl --boot --no-pager --unit=kube-proxy | grep -c hashsize || true")?;
            ensure!(upstream.trim() == "0", "{}'s kube-proxy speaks of hashsize in its log", switch.name());
        }
        Ok(())
    })?;
    scene.step("no switch's kernel has complained since the run began", |scene| {
        let seconds = scene.recorder.now().ceil();
        for switch in scene.switches()? {
            let since = format!("--since=-{seconds}s");
            let log = switch.exec_ok(["journalctl", "--dmesg", "--no-pager", "--output=cat", &since])?;
            let complaint = log.lines().find(|line| TROUBLE.iter().any(|trouble| line.contains(trouble)));
            ensure!(complaint.is_none(), "{}: {}", switch.name(), complaint.unwrap_or_default());
        }
        Ok(())
    })
}
