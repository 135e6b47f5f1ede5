//! Kubernetes' services: a unit rendered from the release's template, started, and restarted only when something that
//! it does not read again by itself has changed.
//!
//! What a service was started with is hashed: its unit, the files that its unit names under `RestartOn`, and the image that
//! its program is in. The hash is kept in memory beside the running system; only where it differs is the service restarted.

use std::{fmt, fs, io::Read, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use cluster::{
    ReservedOn,
    room::LIMITS,
    units::{self, ClusterValues, Docker, Places, Unit, Values},
};
use common::{digest::Hasher, files, retry};
use contract::{Credential, places, services};

use crate::{health, metrics_server, switch::Switch, systemd};

/// The start of a squashfs: its superblock says how large it is and where its tables are.
const SUPERBLOCK: u64 = 96;

/// How long a service may take to be healthy again.
const LIMIT: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(500);

/// What was done about a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceChange {
    Kept,
    Started,
    Restarted,
}

impl fmt::Display for ServiceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServiceChange::Kept => "is running",
            ServiceChange::Started => "started",
            ServiceChange::Restarted => "restarted, as what it runs with has changed",
        })
    }
}

/// The services that this switch has to run.
pub fn of(switch: &Switch) -> impl Iterator<Item = &'static str> {
    let (master, worker) = (switch.node.master, switch.node.worker);
    let of_node = move |name: &&str| if services::MASTER.contains(name) { master } else { worker };
    let has_metrics = metrics_server::why_not(&switch.cluster, places::PKI.as_ref()).is_none();
    services::NAMES.into_iter().filter(of_node).filter(move |name| has_metrics || *name != metrics_server::SERVICE)
}

/// Makes the service run as cluster.toml and the release want it. One that is restarted is healthy before the next one is touched;
/// one that is started is not waited for. `docker` is for the services whose units name it.
pub fn ensure(name: &str, switch: &Switch, docker: Option<Docker>) -> Result<ServiceChange> {
    let values = Values {
        cluster: ClusterValues::from(&switch.cluster),
        node: &switch.node,
        docker,
        ca_key: is_in_pki(&Credential::Ca.key_file()),
        front_proxy: metrics_server::front_proxy_is_in(places::PKI.as_ref()),
        limits: LIMITS,
        reserved: switch.cluster.reserved.map(|eos| ReservedOn::new(eos, &switch.node)),
        systemd: systemd::version()?,
        places: Places::on_switch(),
    };
    let slice = write(services::SLICE, &values)?;
    let service = write(&format!("{name}.service"), &values)?;
    if slice.is_new || service.is_new {
        systemd::daemon_reload()?;
    }
    let unit = service.unit;
    let change = run_with(name, &fingerprint(&unit)?)?;
    if change == ServiceChange::Restarted {
        retry::until(&format!("{name} is healthy after its restart"), LIMIT, PAUSE, || Ok(health::service(name)?))
            .with_context(|| format!("see `k8s-node logs {name}`"))?;
    }
    Ok(change)
}

fn is_in_pki(file: &str) -> bool {
    fs::exists(PathBuf::from(places::PKI).join(file)).unwrap_or(false)
}

/// A unit as systemd has to know it.
struct Written {
    unit: Unit,
    /// systemd has to read it.
    is_new: bool,
}

fn write(file_name: &str, values: &Values) -> Result<Written> {
    let template = files::read_text(&PathBuf::from(places::UNIT_TEMPLATES).join(file_name))?;
    let unit = units::render(file_name, &template, values)?;
    let file = PathBuf::from(places::UNITS).join(file_name);
    let is_new = fs::read(&file).ok().as_deref() != Some(unit.text.as_bytes());
    if is_new {
        files::write_atomically(&file, &unit.text)?;
    }
    Ok(Written { unit, is_new })
}

/// Makes a unit that is there run with what has this fingerprint.
pub fn run_with(name: &str, fingerprint: &str) -> Result<ServiceChange> {
    let record = PathBuf::from(places::SERVICE_RECORDS).join(name);
    let unit = format!("{name}.service");
    let outcome = match (systemd::is_active(&unit)?, fs::read_to_string(&record).ok()) {
        (true, Some(before)) if before == fingerprint => return Ok(ServiceChange::Kept),
        (true, _) => ServiceChange::Restarted,
        (false, _) => ServiceChange::Started,
    };
    // Without a record the next run would restart it; that is safe, a stale record is not.
    let _ = fs::remove_file(&record);
    systemd::restart(&unit)?;
    files::write_atomically(&record, fingerprint)?;
    Ok(outcome)
}

fn fingerprint(unit: &Unit) -> Result<String> {
    let mut parts = vec![unit.text.clone().into_bytes(), programs_identity()?];
    for file in &unit.restart_on {
        parts.push(files::read(file).with_context(|| format!("a service needs {}", file.display()))?);
    }
    Ok(hash(&parts))
}

/// A hash of parts, each with its length so that they cannot run into each other.
pub fn hash(parts: &[Vec<u8>]) -> String {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.field(part);
    }
    hasher.finish().to_string()
}

/// What tells the image of the programs from another one.
pub fn programs_identity() -> Result<Vec<u8>> {
    let mut identity = files::read(places::RELEASE.as_ref())?;
    let image = fs::File::open(places::PROGRAMS_IMAGE);
    let image = image.with_context(|| format!("cannot read {}", places::PROGRAMS_IMAGE))?;
    image.take(SUPERBLOCK).read_to_end(&mut identity)?;
    Ok(identity)
}
