//! Which fields of a `KubeProxyConfiguration` there are, and what becomes of any other: upstream goes on with a warning, and so does this,
//! unless the field looks as if it were meant for one that there is.

use serde_json::{Map, Value};

/// Those of upstream 1.20, by their paths.
const KNOWN: &[&str] = &[
    "apiVersion",
    "kind",
    "bindAddress",
    "bindAddressHardFail",
    "clientConnection.acceptContentTypes",
    "clientConnection.burst",
    "clientConnection.contentType",
    "clientConnection.kubeconfig",
    "clientConnection.qps",
    "clusterCIDR",
    "configSyncPeriod",
    "conntrack.maxPerCore",
    "conntrack.min",
    "conntrack.tcpCloseWaitTimeout",
    "conntrack.tcpEstablishedTimeout",
    "detectLocalMode",
    "enableProfiling",
    "featureGates",
    "healthzBindAddress",
    "hostnameOverride",
    "iptables.masqueradeAll",
    "iptables.masqueradeBit",
    "iptables.minSyncPeriod",
    "iptables.syncPeriod",
    "ipvs.excludeCIDRs",
    "ipvs.minSyncPeriod",
    "ipvs.scheduler",
    "ipvs.strictARP",
    "ipvs.syncPeriod",
    "ipvs.tcpFinTimeout",
    "ipvs.tcpTimeout",
    "ipvs.udpTimeout",
    "metricsBindAddress",
    "mode",
    "nodePortAddresses",
    "oomScoreAdj",
    "portRange",
    "showHiddenMetricsForVersion",
    "udpIdleTimeout",
    "winkernel.enableDSR",
    "winkernel.networkName",
    "winkernel.sourceVip",
];

/// Those of older and newer releases, and what is written by habit; each with all that it holds.
const OF_OTHER_RELEASES: &[&str] = &[
    "metadata",
    "conntrack.max",
    "conntrack.tcpBeLiberal",
    "conntrack.udpStreamTimeout",
    "conntrack.udpTimeout",
    "detectLocal",
    "iptables.localhostNodePorts",
    "ipvs.masqueradeAll",
    "logging",
    "nftables",
    "resourceContainer",
    "windowsRunAsService",
    "winkernel.forwardHealthCheckVip",
    "winkernel.rootHnsEndpointName",
];

/// So alike are a field and what it was meant for.
const ALIKE: f64 = 0.8;

/// Warnings for the fields of `file` that have no effect, or the error for one that was meant for another.
pub(super) fn unknown(file: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    for (name, value) in file {
        match value {
            Value::Object(inner) if is_group(name) => {
                for (field, value) in inner {
                    look_at(&format!("{name}.{field}"), value, &mut warnings)?;
                }
            }
            _ => look_at(name, value, &mut warnings)?,
        }
    }
    Ok(warnings)
}

/// Whether fields are known that are in it.
fn is_group(name: &str) -> bool {
    KNOWN.iter().any(|path| path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

fn look_at(path: &str, value: &Value, warnings: &mut Vec<String>) -> Result<(), String> {
    if KNOWN.contains(&path) || is_group(path) {
        return Ok(());
    }
    if !OF_OTHER_RELEASES.contains(&path)
        && let Some(meant) = nearest(path)
    {
        let shown: String = path.chars().take(100).collect();
        return Err(format!("there is no field {shown}; did you mean {meant}?"));
    }
    if says_something(value) {
        let shown: String = path.chars().take(100).collect();
        warnings.push(format!("{shown} of the configuration file has no effect here"));
    }
    Ok(())
}

/// The field that is spelled so or nearly so, here or in another group.
fn nearest(path: &str) -> Option<&'static str> {
    let name = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let leaf = path.rsplit('.').next().unwrap_or(path);
    let elsewhere = KNOWN.iter().copied().find(|known| name(known) == leaf);
    let likeness = |known: &'static str| strsim::normalized_damerau_levenshtein(known, path);
    let alike = KNOWN.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    elsewhere.or(alike.filter(|alike| likeness(alike) >= ALIKE))
}

/// Whether a value is more than nothing: tools write out what is empty anyway.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.as_str(), "" | "0s"),
        Value::Array(values) => values.iter().any(says_something),
        Value::Object(fields) => fields.values().any(says_something),
    }
}
