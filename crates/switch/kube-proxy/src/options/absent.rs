//! Flags that are not there: which of upstream's, why, and the nearest of those that are.

use super::UsageError;
use super::flags::FLAGS;

/// Upstream's flags without a counterpart here.
const ABSENT: &[(&str, &[&str])] = &[
    (
        "there is no IPVS mode; --proxy-mode has iptables and userspace",
        &[
            "cleanup-ipvs",
            "ipvs-exclude-cidrs",
            "ipvs-min-sync-period",
            "ipvs-scheduler",
            "ipvs-strict-arp",
            "ipvs-sync-period",
            "ipvs-tcp-timeout",
            "ipvs-tcpfin-timeout",
            "ipvs-udp-timeout",
        ],
    ),
    (
        "resizing conntrack's hash table takes EOS' kernel down, so this kube-proxy never does; leave it out",
        &["conntrack-resize-hashsize"],
    ),
    ("changes come by watches, which need no refreshing; leave it out", &["config-sync-period"]),
    (
        "there is next to nothing to limit: two watches and a few events, in JSON; leave it out",
        &["kube-api-burst", "kube-api-content-type", "kube-api-qps"],
    ),
    ("the port is part of --healthz-bind-address=IP:PORT, which empty means no server", &["healthz-port"]),
    ("the port is part of --metrics-bind-address=IP:PORT, which empty means no server", &["metrics-port"]),
    ("user space mode has one listener for all Services, on a port that the kernel chooses", &["proxy-port-range"]),
    ("there is no profiler in it; use perf", &["profiling"]),
    ("no metrics are hidden", &["show-hidden-metrics-for-version"]),
    ("write the file by hand: only what differs from the defaults needs to be in it", &["write-config-to"]),
    (
        "logs go to standard error, from where systemd takes them; -v says how much",
        &[
            "add-dir-header",
            "alsologtostderr",
            "log-backtrace-at",
            "log-dir",
            "log-file",
            "log-file-max-size",
            "log-flush-frequency",
            "one-output",
            "skip-headers",
            "skip-log-headers",
            "stderrthreshold",
            "vmodule",
        ],
    ),
];

/// The error for `flag`, which is written with its dashes.
pub(super) fn unknown(flag: &str) -> UsageError {
    let name = flag.trim_start_matches('-');
    if let Some((why, _)) = ABSENT.iter().find(|(_, names)| names.contains(&name)) {
        return UsageError(format!("{flag} is upstream's, and not here: {why}"));
    }
    let nearest = FLAGS
        .iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(known.name, name), known.name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    UsageError(match nearest {
        Some((likeness, nearest)) if likeness > 0.5 => format!("there is no flag {flag}; did you mean --{nearest}?"),
        _ => format!("there is no flag {flag}; --help lists what there is"),
    })
}
