//! The file that `--config` names: a `KubeProxyConfiguration` of `kubeproxy.config.k8s.io/v1alpha1`, as upstream 1.20 has it.
//!
//! As with upstream, the file decides and most flags have no effect beside it; an empty or zero field means its default. It is read
//! once: who changes it restarts the program.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_saphyr::DuplicateKeyPolicy;

use super::config_schema::{Configuration, NotHonoured};
use super::{Draft, HEALTHZ_PORT, METRICS_PORT, Options, UsageError, config_fields, feature_gates, flags, values};

const API_VERSION: &str = "kubeproxy.config.k8s.io/v1alpha1";
const KIND: &str = "KubeProxyConfiguration";

/// Larger than any such file, and small enough for a switch.
const LARGEST: u64 = 4 << 20;

/// The options of the file at `path`, with those flags of `draft` that count beside it.
pub(super) fn read(path: &Path, draft: &Draft) -> Result<Options, UsageError> {
    let named = |why: String| UsageError(format!("--config={}: {why}", path.display()));
    let mut options = read_text(path).and_then(|text| parse(&text)).map_err(named)?;
    if !draft.options.node_name.is_empty() {
        options.node_name = draft.options.node_name.clone();
    }
    options.master = draft.options.master.clone();
    // The file of 1.20 has no field for these.
    options.pod_bridge_interface = draft.options.pod_bridge_interface.clone();
    options.pod_cidr = draft.options.pod_cidr;
    options.service_cluster_ip_range = draft.options.service_cluster_ip_range;
    options.routed_nodes = draft.options.routed_nodes.clone();
    options.verbosity = draft.options.verbosity;
    for flag in draft.given.iter().filter(|flag| !flag.beside_config) {
        options.warnings.push(format!("--{} has no effect: the file of --config decides", flag.name));
    }
    Ok(options)
}

/// All of a file, which may be a device.
fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("it has more than {} MiB", LARGEST >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())
}

/// The first document of `text` with what it has, and warnings: as with upstream, documents behind it and a key's earlier values do not count.
fn first_document(text: &str) -> Result<(Configuration, Vec<String>), String> {
    let mut warnings = Vec::new();
    let policies = [DuplicateKeyPolicy::Error, DuplicateKeyPolicy::LastWins];
    let [strict, lenient] = policies.map(|policy| documents::<Value>(text, policy));
    let (fields, more) = match (strict, lenient) {
        (Ok(read), _) => read,
        (Err(why), Ok(read)) => {
            warnings.push(format!("of a key that is there twice the last value counts: {why}"));
            read
        }
        (Err(why), Err(_)) => return Err(why),
    };
    if more {
        warnings.push("only the first document of the configuration file counts".to_owned());
    }
    let named = |name: &str| fields[name].as_str().unwrap_or_default();
    if named("apiVersion") != API_VERSION || named("kind") != KIND {
        return Err(format!(
            "it is a {:?} of {:?}, and only a {KIND} of {API_VERSION} will do: see to its fields kind and apiVersion",
            named("kind"),
            named("apiVersion")
        ));
    }
    warnings.extend(config_fields::unknown(fields.as_object().unwrap_or(&Map::new()))?);
    let (file, _) = documents(text, DuplicateKeyPolicy::LastWins)?;
    Ok((file, warnings))
}

/// The first document that is not empty, and whether there are more.
fn documents<T: DeserializeOwned + Default>(
    text: &str,
    duplicate_keys: DuplicateKeyPolicy,
) -> Result<(T, bool), String> {
    let mut bytes = text.as_bytes();
    let options = serde_saphyr::options! { duplicate_keys: duplicate_keys };
    let mut documents = serde_saphyr::read_with_options::<_, T>(&mut bytes, options);
    match documents.next() {
        None => Ok((T::default(), false)),
        // What is wrong is told without the lines around it.
        Some(first) => {
            let first = first.map_err(|error| error.without_snippet().to_string())?;
            Ok((first, documents.next().is_some()))
        }
    }
}

/// The options that a file's `text` asks for; an error says what is wrong with which field.
pub fn parse(text: &str) -> Result<Options, String> {
    let (file, warnings) = first_document(text)?;
    let mut options = Options::default();
    options.warnings.extend(warnings);
    options
        .warnings
        .extend(NotHonoured::of(&file).map(|field| format!("{field} of the configuration file has no effect here")));
    for (name, on) in file.feature_gates.iter().flatten() {
        feature_gates::apply(&mut options, name, *on);
    }

    let text = |field, value: &Option<String>| Field { name: field, value: value.clone().unwrap_or_default() };
    text("bindAddress", &file.bind_address).set(&mut options.bind_address, values::ipv4)?;
    text("healthzBindAddress", &file.healthz_bind_address)
        .set(&mut options.healthz_bind_address, |text| values::listen_address(text, HEALTHZ_PORT))?;
    text("metricsBindAddress", &file.metrics_bind_address)
        .set(&mut options.metrics_bind_address, |text| values::listen_address(text, METRICS_PORT))?;
    text("clusterCIDR", &file.cluster_cidr).set(&mut options.cluster_cidr, values::ipv4_block)?;
    text("detectLocalMode", &file.detect_local_mode).set(&mut options.detect_local_mode, values::detect_local_mode)?;
    text("hostnameOverride", &file.hostname_override).set(&mut options.node_name, values::node_name)?;
    flags::mode(&mut options, file.mode.as_deref().unwrap_or_default())
        .map_err(|why| format!("mode: {} {why}", file.mode.as_deref().unwrap_or_default()))?;
    text("udpIdleTimeout", &file.udp_idle_timeout).set_duration(&mut options.udp_timeout)?;
    options.bind_address_hard_fail = file.bind_address_hard_fail.unwrap_or_default();
    number("oomScoreAdj", file.oom_score_adj, &mut options.oom_score_adj, |text| values::number(text, -1000..=1000))?;
    options.nodeport_addresses = values::ipv4_blocks(file.node_port_addresses.iter().flatten().map(String::as_str))
        .map_err(|why| format!("nodePortAddresses {why}"))?;

    let client = file.client_connection.unwrap_or_default();
    options.kubeconfig = values::path(&client.kubeconfig.unwrap_or_default());

    let iptables = file.iptables.unwrap_or_default();
    options.masquerade_all = iptables.masquerade_all.unwrap_or_default();
    number("iptables.masqueradeBit", iptables.masquerade_bit, &mut options.masquerade_bit, |text| {
        values::number(text, 0..=31)
    })?;
    text("iptables.syncPeriod", &iptables.sync_period).set_duration(&mut options.sync_period)?;
    text("iptables.minSyncPeriod", &iptables.min_sync_period).set_duration(&mut options.min_sync_period)?;

    let conntrack = file.conntrack.unwrap_or_default();
    let desired = &mut options.conntrack;
    number("conntrack.maxPerCore", conntrack.max_per_core, &mut desired.max_per_core, values::count)?;
    number("conntrack.min", conntrack.min, &mut desired.min, values::count)?;
    let some_duration = |text: &str| values::duration(text).map(Some);
    text("conntrack.tcpEstablishedTimeout", &conntrack.tcp_established_timeout)
        .set(&mut desired.tcp_established, some_duration)?;
    text("conntrack.tcpCloseWaitTimeout", &conntrack.tcp_close_wait_timeout)
        .set(&mut desired.tcp_close_wait, some_duration)?;
    Ok(options)
}

/// A field with text in it; without text, it leaves what it sets alone.
struct Field {
    name: &'static str,
    value: String,
}

impl Field {
    fn set<T>(&self, target: &mut T, read: impl Fn(&str) -> Result<T, String>) -> Result<(), String> {
        if !self.value.is_empty() {
            *target = read(&self.value).map_err(|why| format!("{}: {} {why}", self.name, self.value))?;
        }
        Ok(())
    }

    /// Zero is the default, too.
    fn set_duration(&self, target: &mut Duration) -> Result<(), String> {
        let default = *target;
        self.set(target, |text| values::duration(text).map(|read| if read.is_zero() { default } else { read }))
    }
}

fn number<T>(
    field: &'static str,
    value: Option<i64>,
    target: &mut T,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(), String> {
    Field { name: field, value: value.map(|value| value.to_string()).unwrap_or_default() }.set(target, read)
}
