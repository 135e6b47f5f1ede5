//! What a process takes of the machine.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// The kernel counts in hundredths of a second, whatever its own clock's rate is.
const TICK: Duration = Duration::from_millis(10);

/// The bytes that are resident.
pub fn resident(id: u32) -> Result<f64> {
    let file = format!("/proc/{id}/status");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let kib =
        text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("{file} has no VmRSS"))? * 1024.0)
}

/// The time that it has used, with the children that it has waited for.
pub fn cpu(id: u32) -> Result<Duration> {
    let file = format!("/proc/{id}/stat");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let ticks = ticks(&text).with_context(|| format!("{file} is not as expected: {text}"))?;
    Ok(TICK * ticks)
}

/// utime, stime, cutime and cstime: the 14th to the 17th field. The second is a name in brackets, which may have anything in it.
fn ticks(stat: &str) -> Option<u32> {
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let times: Vec<u32> = fields.skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_is_its_own_and_its_children_s() {
        let stat = "42 (a) name) S 1 42 42 0 -1 4194560 1 2 3 4 10 20 300 4000 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(4330));
        assert_eq!(ticks("42 (cut) S 1 42 42 0 -1 4194560 1 2 3 4 10 20"), None);
    }

    #[test]
    fn this_process_is_resident() {
        assert!(resident(std::process::id()).unwrap() > 100_000.0);
        assert!(cpu(std::process::id()).is_ok());
    }
}
