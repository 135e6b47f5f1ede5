//! The switch of `bench packing`: the one of `bench first-boot`, whose programs come from an image that is handed over.

use std::{fmt, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use cluster_test::cluster_file;
use common::command::Program;
use contract::places;

use super::{From, Variant};
use crate::{bench::first_boot::switch::BenchSwitch, workspace::workspace};

const DOCKER: Duration = Duration::from_secs(60);

pub struct PackedSwitch(BenchSwitch);

/// How a boot went.
pub struct Boot {
    pub api_server: Duration,
    pub ready: Duration,
    /// Of everything on the switch, until it was Ready.
    pub processor: Duration,
    pub processor_of_api_server: Duration,
    /// KiB.
    pub services: u64,
    pub page_cache: u64,
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [api_server, ready, processor] =
            [self.api_server, self.ready, self.processor].map(|time| time.as_secs_f64());
        write!(f, "API server {api_server:.1} s, Ready {ready:.1} s, {processor:.1} s of processors")
    }
}

impl PackedSwitch {
    /// One that came up by the extension once, so that there is a cluster.
    pub fn up(swix: &Path) -> Result<Self> {
        let cluster = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
        let text = cluster_file::for_lab(&workspace().join("topo/cluster-one.toml"))?;
        fs::write(cluster.path(), text).context("cannot write a cluster.toml")?;
        let switch = BenchSwitch::up(swix, cluster.path())?;
        switch.time_first_boot()?;
        switch.run(&["save"])?;
        Ok(PackedSwitch(switch))
    }

    /// How many of the machine's processors it has from now on.
    pub fn share(&self, cpus: &str) -> Result<()> {
        let docker = Program::new("docker", "give the switch a share of the processors")?;
        docker.args(["update", "--cpus", cpus, &self.0.device()?.container()]).limit(DOCKER).read().map(drop)
    }

    pub fn boot(&self, image: &Path, variant: &Variant) -> Result<Boot> {
        self.0.reboot()?;
        self.0.device()?.copy_in(image, places::PROGRAMS_IMAGE)?;
        if variant.from == From::Plain {
            self.0.run(&["plain"])?;
        }
        if variant.etcd_in_memory {
            self.0.run(&["etcd-in-memory"])?;
        }
        // What is written is on its disk, so that nothing is kept that could be read again.
        self.0.device()?.exec_ok(["sync"])?;
        fs::write("/proc/sys/vm/drop_caches", "3").context("cannot empty the page cache: are you root?")?;
        let (processor, cached_before) = (self.processor()?, cached()?);
        let healthy = self.0.time_by_hand()?;
        let after = |what: &str| {
            let found = healthy.steps.iter().find(|(step, _)| step == what);
            found.map(|(_, after)| *after).with_context(|| format!("nothing says when {what}"))
        };
        Ok(Boot {
            api_server: after("api server is healthy")?,
            ready: healthy.all(),
            processor: self.processor()?.saturating_sub(processor),
            processor_of_api_server: Duration::from_millis(10 * self.number("ticks", &["kube-apiserver"])?),
            services: self.number("proportional", &[])?,
            page_cache: cached()?.saturating_sub(cached_before),
        })
    }

    /// What all that is or was on the switch has had of the processors.
    fn processor(&self) -> Result<Duration> {
        Ok(Duration::from_nanos(self.number("processor", &[])?))
    }

    fn number(&self, verb: &str, arguments: &[&str]) -> Result<u64> {
        let printed = self.0.run(&[&[verb], arguments].concat())?;
        printed.trim().parse().with_context(|| format!("switch.sh {verb} says {printed:?}, which is no number"))
    }
}

/// KiB in the page cache of this machine, whose kernel is the switch's.
fn cached() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Cached:")?.trim().strip_suffix(" kB")?.parse().ok());
    line.context("/proc/meminfo does not say what is cached")
}
