//! A quiet machine, without which figures say little.

use std::{fs, time::Duration};

use anyhow::{Context, Result, anyhow};
use common::retry::{self, Failed};

/// What has just been compiled for the benchmark itself is out of the average by then.
const LIMIT: Duration = Duration::from_secs(5 * 60);
const INTERVAL: Duration = Duration::from_secs(5);

/// A load average below that is quiet.
const A_CORE: f64 = 0.5;

/// How busy the machine has been in the last minute.
#[derive(Clone, Copy)]
pub struct Load {
    average: f64,
    cores: usize,
}

impl Load {
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/loadavg").context("the load of this machine cannot be read")?;
        let average = text.split_whitespace().next().and_then(|average| average.parse().ok());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Load { average: average.with_context(|| format!("{text:?} is no load average"))?, cores })
    }

    fn is_quiet(self) -> bool {
        self.average < A_CORE * self.cores as f64
    }
}

/// As a page of figures says it.
impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cores, with a load average of {:.2} before it began", self.cores, self.average)?;
        if self.is_quiet() { Ok(()) } else { f.write_str(" (**a busy machine**: the figures say little)") }
    }
}

/// Waits for a quiet machine.
pub fn wait() -> Result<()> {
    let mut told = false;
    let quiet = retry::until("a quiet machine", LIMIT, INTERVAL, || {
        let load = Load::now().map_err(Failed::Stop)?;
        if load.is_quiet() {
            return Ok(());
        }
        if !told {
            println!("waiting for a quiet machine, up to {}", humantime::format_duration(LIMIT));
            told = true;
        }
        let most = A_CORE * load.cores as f64;
        Err(anyhow!("the load average is {:.2}, and quiet is below {most:.1}", load.average).into())
    });
    quiet.context("end what else runs on this machine, or take the figures with --busy, which their page says")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_machine_was_busy() {
        assert_eq!(
            Load { average: 0.99, cores: 2 }.to_string(),
            "2 cores, with a load average of 0.99 before it began"
        );
        assert!(Load { average: 1.0, cores: 2 }.to_string().contains("a busy machine"));
        assert!(Load::now().unwrap().average >= 0.0);
    }
}
