//! The kernel stays up: nobody has written what takes EOS' kernel down, and the kernel has not complained.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{Scene, Switch};

/// What the first port died of: the resizing of this table. On a stand-in each is a plain file, which keeps what was written.
const SIZES: [&str; 3] = [
    "/sys/module/nf_conntrack/parameters/hashsize",
    "/proc/sys/net/netfilter/nf_conntrack_buckets",
    "/proc/sys/net/netfilter/nf_conntrack_max",
];

/// How often kube-proxy's log speaks of the table's size; fails where there is no log to read.
const SPOKEN: &str =
    r#"log=$(journalctl --boot --no-pager --unit=kube-proxy); printf '%s\n' "$log" | grep -c hashsize || [ $? -eq 1 ]"#;

/// A switch that is on may be booting yet.
const BOOTED: Duration = Duration::from_secs(120);

/// What the files of [`SIZES`] hold; none of those that a kernel has not, or not before conntrack is loaded.
pub type Sizes = BTreeMap<String, String>;

/// What a kernel says when it is in trouble.
const TROUBLE: [&str; 6] = ["BUG:", "Oops", "Call Trace", "scheduling while atomic", "WARNING: CPU", "Kernel panic"];

/// Writes down every switch's sizes, while none of them has the extension.
pub(super) fn before_install(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("write down the sizes of conntrack's table before anything is installed", |scene| {
        scene.conntrack = scene.on_each_switch(|switch| {
            switch.wait_until_booted(BOOTED)?;
            sizes(switch)
        })?;
        Ok(())
    })
}

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    conntrack_was_left_alone(scene)?;
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

/// Of each switch, since before the installation.
pub(super) fn conntrack_was_left_alone(scene: &mut Scene<'_>) -> Result<()> {
    let unknown = scene.step("conntrack's table has its sizes of before the installation", |scene| {
        let mut unknown = Vec::new();
        for switch in scene.switches()? {
            let before = scene.conntrack.get(switch.name());
            let before = before.with_context(|| format!("{}'s sizes have not been written down", switch.name()))?;
            let changed = changed(before, &sizes(&switch)?);
            ensure!(changed.is_empty(), "{}: {}", switch.name(), changed.join(", "));
            if before.is_empty() {
                unknown.push(switch.name().to_owned());
            }
            let spoken = switch.sh(SPOKEN)?;
            ensure!(spoken.trim() == "0", "{}'s kube-proxy speaks of hashsize in its log", switch.name());
        }
        Ok(unknown)
    })?;
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        scene.step(format!("not asked of {names}: conntrack was not loaded before the installation"), |_| Ok(()))?;
    }
    Ok(())
}

fn sizes(switch: &Switch<'_>) -> Result<Sizes> {
    let files = SIZES.join(" ");
    let printed = switch.sh(&format!("for file in {files}; do [ ! -e $file ] || echo \"$file $(cat $file)\"; done"))?;
    Ok(printed.lines().filter_map(|line| line.split_once(' ')).map(|(file, size)| (file.into(), size.into())).collect())
}

/// Each size that is another one than before. What was not there before says nothing.
fn changed(before: &Sizes, now: &Sizes) -> Vec<String> {
    let other = |(file, size): (&String, &String)| match now.get(file) {
        Some(now) if now == size => None,
        Some(now) => Some(format!("{file} was {size} and is {now}")),
        None => Some(format!("{file} was {size} and is not there")),
    };
    before.iter().filter_map(other).collect()
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
    use std::os::unix::fs::PermissionsExt;

    use common::command::Program;

    use super::*;

    #[test]
    fn a_kernel_in_trouble_is_heard_unless_it_was_before_the_run() {
        let log =
            "[   12.000001] WARNING: CPU: 0 PID: 1 at mm/slab.c:1\n[  100.5] eth0: link up\n[ 200.25] Call Trace:\n";
        assert_eq!(complaint(log, 50.0), Some("[ 200.25] Call Trace:"));
        assert_eq!(complaint(log, 1.0), Some("[   12.000001] WARNING: CPU: 0 PID: 1 at mm/slab.c:1"));
        assert_eq!(complaint(log, 300.0), None);
    }

    #[test]
    fn a_log_that_cannot_be_read_is_no_log_without_a_word_of_hashsize() {
        let directory = tempfile::tempdir().unwrap();
        let journalctl = directory.path().join("journalctl");
        let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
        // As `Switch::sh` runs it.
        let spoken = |journal: &str| {
            std::fs::write(&journalctl, format!("#!/bin/sh\n{journal}\n")).unwrap();
            std::fs::set_permissions(&journalctl, PermissionsExt::from_mode(0o755)).unwrap();
            let sh = Program::new("sh", "ask a switch").unwrap().args(["-euc", SPOKEN]);
            sh.env("PATH", &path).read().map_err(|error| format!("{error:#}"))
        };
        assert_eq!(spoken("echo started").unwrap(), "0\n");
        assert_eq!(spoken(":").unwrap(), "0\n");
        assert_eq!(spoken("echo hashsize is 1; echo hashsize is 2").unwrap(), "2\n");
        let error = spoken("echo started; echo no journal >&2; exit 1").unwrap_err();
        assert!(error.contains("exit status: 1") && error.contains("no journal"), "{error}");
    }

    #[test]
    fn a_table_of_another_size_than_before_is_found_whatever_the_size_was() {
        let sizes = |hashsize: &str, max: &str| -> Sizes {
            [(SIZES[0], hashsize), (SIZES[2], max)].map(|(file, size)| (file.to_owned(), size.to_owned())).into()
        };
        for (hashsize, max) in [("8192", "262144"), ("65536", "65536")] {
            let before = sizes(hashsize, max);
            assert_eq!(changed(&before, &before), [""; 0]);
            assert_eq!(changed(&before, &sizes("32768", max)), [format!("{} was {hashsize} and is 32768", SIZES[0])]);
            assert_eq!(changed(&before, &Sizes::new()).len(), 2, "what is gone has changed");
        }
        assert_eq!(changed(&Sizes::new(), &sizes("8192", "262144")), [""; 0], "it was not loaded before");
    }
}
