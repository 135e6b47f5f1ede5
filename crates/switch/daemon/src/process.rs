//! What Prometheus' clients say of the process: memory, CPU time, and when it began.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::time::{ClockId, clock_gettime};

/// Looked up whenever it is asked for.
#[derive(Debug)]
pub struct Process {
    pub began: SystemTime,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut add = |name, help, metric: &dyn ErasedMetric| metric.encode(&mut encoder, name, help);
        add("process_start_time_seconds", "When the process began", &ConstGauge::new(unix_seconds(self.began)))?;
        add(
            "process_cpu_seconds",
            "CPU time of the process, in user space and in the kernel",
            &ConstCounter::new(cpu_seconds()),
        )?;
        match resident_bytes() {
            Some(bytes) => {
                add("process_resident_memory_bytes", "Memory of the process that is resident", &ConstGauge::new(bytes))
            }
            None => Ok(()),
        }
    }
}

trait ErasedMetric {
    fn encode(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str) -> fmt::Result;
}

impl<M: EncodeMetric> ErasedMetric for M {
    fn encode(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str) -> fmt::Result {
        EncodeMetric::encode(self, encoder.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// `None` where there is no /proc.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    resident.trim().strip_suffix(" kB")?.parse::<i64>().ok()?.checked_mul(1024)
}

pub fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
