//! Tries out what iptables and the kernel can do, by programming rules in a network namespace that is thrown away.

use std::thread;

use super::{Feature, Features, Table, Tool};

/// Whoever holds the lock does not hold it for ever; each try waits for 5 s.
const LOCKED_TRIES: u32 = 12;
const CHAIN: &str = "KUBE-PROXY-PROBE";

/// Where no namespace can be made, the machine's own tables are used, in a chain that nothing leads to and that is removed at once.
pub fn run(tool: &Tool) -> Features {
    thread::scope(|scope| {
        let found = scope.spawn(|| {
            // SAFETY: it changes the network namespace of this thread alone, which ends right after and holds no socket.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                tracing::debug!("no network namespace for the probe of iptables: {}", std::io::Error::last_os_error());
            }
            look(tool)
        });
        found.join().unwrap_or(Features::NONE)
    })
}

fn look(tool: &Tool) -> Features {
    if works(tool, &Feature::ALL) {
        return Features::all();
    }
    Feature::ALL.into_iter().filter(|&feature| works(tool, &[feature])).fold(Features::NONE, Features::with)
}

/// Each table's rules are put there and removed again by the same run.
fn works(tool: &Tool, features: &[Feature]) -> bool {
    let attempt = || {
        tool.restore(&mut |out| {
            for table in Table::ALL.into_iter().chain([Table::Raw]) {
                let trials = features.iter().map(|feature| feature.trial()).filter(|trial| trial.0 == table);
                let rules: Vec<_> = trials.map(|(_, rule)| rule).collect();
                if rules.is_empty() {
                    continue;
                }
                writeln!(out, "*{table}\n:{CHAIN} - [0:0]")?;
                rules.iter().try_for_each(|rule| writeln!(out, "-A {CHAIN} {rule}"))?;
                writeln!(out, "COMMIT\n*{table}\n-F {CHAIN}\n-X {CHAIN}\nCOMMIT")?;
            }
            Ok(())
        })
    };
    for _ in 1..LOCKED_TRIES {
        match attempt() {
            Err(error) if error.is_locked() => tracing::info!("{error}"),
            Err(error) => {
                tracing::debug!(?features, "not to be had: {error}");
                return false;
            }
            Ok(()) => return true,
        }
    }
    attempt().is_ok()
}
