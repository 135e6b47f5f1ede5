//! Upstream's flags that are not there: taken with a warning where they change nothing that matters here, refused where what they ask for
//! would be lost; and for a flag that nobody has, the nearest of those that are.

use super::UsageError;
use super::flags::FLAGS;

/// Flags of upstream's, of one release or another, that have no effect.
struct Ignored {
    why: &'static str,
    /// They take their value behind `=`, or none.
    switches: &'static [&'static str],
    /// They take their value behind `=`, or from the next argument.
    values: &'static [&'static str],
}

const IGNORED: &[Ignored] = &[
    Ignored {
        why: "there is no IPVS mode",
        switches: &["cleanup-ipvs", "ipvs-strict-arp"],
        values: &[
            "ipvs-exclude-cidrs",
            "ipvs-min-sync-period",
            "ipvs-scheduler",
            "ipvs-sync-period",
            "ipvs-tcp-timeout",
            "ipvs-tcpfin-timeout",
            "ipvs-udp-timeout",
        ],
    },
    Ignored {
        why: "what is set of conntrack is set by --conntrack-max-per-core and --conntrack-min",
        switches: &[],
        values: &["conntrack-max"],
    },
    Ignored {
        why: "changes come by watches, which need no refreshing",
        switches: &[],
        values: &["config-sync-period"],
    },
    Ignored {
        why: "there is next to nothing to limit: two watches and a few events, in JSON",
        switches: &[],
        values: &["kube-api-burst", "kube-api-content-type", "kube-api-qps"],
    },
    Ignored {
        why: "user space mode has one listener for all Services, on a port that the kernel chooses",
        switches: &[],
        values: &["proxy-port-range"],
    },
    Ignored { why: "there is no profiler in it; use perf", switches: &["profiling"], values: &[] },
    Ignored { why: "no metrics are hidden", switches: &[], values: &["show-hidden-metrics-for-version"] },
    Ignored {
        why: "the service manager says in which control group it runs",
        switches: &[],
        values: &["resource-container"],
    },
    Ignored {
        why: "logs go to standard error, from where systemd takes them; -v says how much",
        switches: &["add-dir-header", "alsologtostderr", "one-output", "skip-headers", "skip-log-headers"],
        values: &[
            "log-backtrace-at",
            "log-dir",
            "log-file",
            "log-file-max-size",
            "log-flush-frequency",
            "logging-format",
            "stderrthreshold",
            "vmodule",
        ],
    },
];

/// What somebody would miss who asked for it.
const REFUSED: &[(&str, &str)] = &[
    (
        "conntrack-resize-hashsize",
        "resizing conntrack's hash table takes EOS' kernel down, so this kube-proxy never does; leave it out",
    ),
    ("write-config-to", "write the file by hand: only what differs from the defaults needs to be in it"),
];

/// A flag that has no effect.
#[derive(Clone, Copy)]
pub(super) struct NoEffect {
    pub why: &'static str,
    pub takes_value: bool,
}

pub(super) fn find(name: &str) -> Option<NoEffect> {
    IGNORED.iter().find_map(|flags| {
        let takes_value = flags.values.contains(&name);
        (takes_value || flags.switches.contains(&name)).then_some(NoEffect { why: flags.why, takes_value })
    })
}

/// Whether a value asks for anything at all: distributions write out what is the default anyway.
pub(super) fn asks_for_something(value: &str) -> bool {
    !matches!(value, "" | "0" | "0s" | "false" | "0-0")
}

/// The error for `flag`, which is written with its dashes.
pub(super) fn unknown(flag: &str) -> UsageError {
    let name = flag.trim_start_matches('-');
    if let Some((_, why)) = REFUSED.iter().find(|(known, _)| *known == name) {
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
