//! A device pings an address every 10 ms while something happens, and says how many answers were lost.

use std::{thread, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use topology::Device;

/// Between two packets.
pub const SPACING: Duration = Duration::from_millis(10);

/// Where the device keeps the number of the process.
const PROCESS: &str = "/run/pinging";

/// Does the work while pings go out, and returns what it returned and how many packets were not answered.
pub fn while_pinging<T>(from: &Device, address: &str, work: impl FnOnce() -> Result<T>) -> Result<(T, u32)> {
    thread::scope(|scope| {
        let script = "echo $$ >\"$1\"; exec ping -q -n -W 1 -i \"$2\" \"$3\"";
        let interval = SPACING.as_secs_f64().to_string();
        let pings = scope.spawn(move || from.exec(["sh", "-c", script, "sh", PROCESS, &interval, address]));
        let done = work();
        // At an interrupt it says what it has counted.
        let stopped = from.exec_ok(["sh", "-c", "kill -INT $(cat \"$1\")", "sh", PROCESS]);
        let printed = pings.join().map_err(|_| anyhow!("the thread that pinged panicked"))??;
        let (done, _) = (done?, stopped.context("cannot stop the pings")?);
        let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
        let lost = lost(&printed).with_context(|| format!("ping did not say what was lost: {printed}"))?;
        ensure!(!printed.contains(" 0 packets transmitted"), "nothing was sent: {printed}");
        Ok((done, lost))
    })
}

/// Out of `100 packets transmitted, 97 received, …`.
fn lost(printed: &str) -> Option<u32> {
    let line = printed.lines().find(|line| line.contains(" packets transmitted"))?;
    let number = |part: &str| part.split_whitespace().next()?.parse::<u32>().ok();
    let mut parts = line.split(", ");
    number(parts.next()?)?.checked_sub(number(parts.next()?)?)
}

#[cfg(test)]
mod tests {
    use super::lost;

    #[test]
    fn what_ping_says_is_understood() {
        let printed = "PING 3.3.3.3 (3.3.3.3) 56(84) bytes of data.\n\n--- 3.3.3.3 ping statistics ---\n\
            470 packets transmitted, 161 received, +9 errors, 65.7447% packet loss, time 4829ms\n";
        assert_eq!(lost(printed), Some(309));
        assert_eq!(lost("ping: connect: Network is unreachable\n"), None);
    }
}
