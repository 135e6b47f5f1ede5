//! How scenarios are played, whichever verb plays them.

use std::time::Duration;

use clap::Args;

#[derive(Args, Clone)]
pub struct Conduct {
    /// Leave this scenario out; what needs it is not played either; may be given again
    #[arg(long, value_name = "NAME")]
    pub skip: Vec<String>,
    /// Play nothing more once a scenario has failed
    #[arg(long)]
    pub fail_fast: bool,
    /// How long a scenario may take, e.g. 90s or 20m [default: each its own, from 15 to 60 minutes]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Leave the topology up where a scenario has failed
    #[arg(long)]
    pub keep_on_failure: bool,
}

impl Conduct {
    /// As they are given to topo-test.
    pub fn words(&self) -> Vec<String> {
        let skip = self.skip.iter().map(|name| format!("--skip={name}"));
        let timeout = self.timeout.map(|limit| format!("--timeout={}ms", limit.as_millis()));
        let set = [(self.fail_fast, "--fail-fast"), (self.keep_on_failure, "--keep-on-failure")];
        let set = set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag.to_owned());
        skip.chain(timeout).chain(set).collect()
    }
}

/// A limit, for clap.
pub fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err("expected a number with its unit, e.g. 90s, 10m or 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        conduct: Conduct,
    }

    #[test]
    fn what_is_handed_on_is_what_was_given() {
        let given = ["", "--skip=again", "--skip=clock", "--timeout=90000ms", "--fail-fast", "--keep-on-failure"];
        assert_eq!(Alone::parse_from(given).conduct.words(), given[1..]);
        assert_eq!(Alone::parse_from(["", "--timeout", "90s"]).conduct.words(), ["--timeout=90000ms"]);
        assert!(Alone::try_parse_from(["", "--timeout", "0s"]).is_err());
    }
}
