//! Every unit that lands on a switch, held against what systemd 219 knows: EOS up to 4.31 has it.
//!
//! 219 warns of a directive that it does not know and goes on without it, and reads some values otherwise than later ones
//! do. Neither may be in a unit, nor in a drop-in for somebody else's. What 219 knows is in systemd-219.txt, and since when in
//! systemd-since.txt.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
};

use crate::{
    support::{OLD_SYSTEMD, OnSwitch, every_unit, repository},
    unit_file::{self, Assignment, Complaint},
};

const KNOWN: &str = include_str!("systemd-219.txt");

/// By what follows the last dot of its name: the sections that a unit may have.
const SECTIONS: [(&str, &[&str]); 3] = [
    ("service", &["Unit", "Service", "Install"]),
    ("slice", &["Unit", "Slice", "Install"]),
    ("timer", &["Unit", "Timer", "Install"]),
];

/// The units of time that 219 reads: parse_sec in v219's src/shared/time-util.c.
const TIME: [&str; 28] = [
    "", "us", "usec", "ms", "msec", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hr",
    "hour", "hours", "d", "day", "days", "w", "week", "weeks", "month", "months", "y", "year", "years",
];

/// What 219 takes for true and for false: parse_boolean in v219's src/shared/util.c.
const BOOL: [&str; 12] = ["1", "yes", "y", "true", "t", "on", "0", "no", "n", "false", "f", "off"];

/// Of those that Linux had when 219 was new, the ones that a unit of ours names.
const CAPABILITIES: [&str; 6] = [
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_RESOURCE",
];

const UNIT_TYPES: [&str; 6] = [".service", ".timer", ".target", ".socket", ".mount", ".slice"];

#[test]
fn systemd_219_knows_every_directive_and_every_value_of_every_unit() {
    // Of a template, several nodes get the same line.
    let complaints: BTreeSet<String> =
        every_unit(OLD_SYSTEMD).iter().flat_map(|unit| lines(unit, complaints(&unit.extends(), &unit.text))).collect();
    let listed: Vec<String> = complaints.into_iter().collect();
    assert!(listed.is_empty(), "not as systemd 219 reads it:\n{}", listed.join("\n"));
}

/// Every directive that 219 knows, in whatever section.
pub fn names() -> BTreeSet<&'static str> {
    known().into_keys().map(|(_, name)| name).collect()
}

/// Whether 219 takes this value of a directive of [Service].
pub fn takes(name: &str, value: &str) -> bool {
    known().get(&("Service", name)).is_some_and(|kind| wrong(kind, value).is_none())
}

pub fn has_unit_type(kind: &str) -> bool {
    UNIT_TYPES.iter().any(|known| known.strip_prefix('.') == Some(kind))
}

/// Each as FILE:LINE: WHAT, the line being that of the template.
fn lines(unit: &OnSwitch, complaints: Vec<Complaint>) -> Vec<String> {
    let source = fs::read_to_string(&unit.source).unwrap();
    let file = unit.source.strip_prefix(repository()).unwrap().display();
    let line = |complaint: &Complaint| {
        let rendered = unit.text.lines().nth(complaint.line - 1).unwrap_or_default();
        let directive = rendered.split_inclusive('=').next().unwrap_or_default();
        let same = source.lines().position(|line| line == rendered);
        same.or_else(|| source.lines().position(|line| line.starts_with(directive))).map_or(complaint.line, |at| at + 1)
    };
    complaints.iter().map(|complaint| format!("{file}:{}: {}", line(complaint), complaint.what)).collect()
}

/// Everything about a unit that 219 does not know or reads otherwise.
fn complaints(name: &str, text: &str) -> Vec<Complaint> {
    let complaint = |line, what: String| Complaint { line, what };
    let Some((_, sections)) = SECTIONS.iter().find(|(kind, _)| name.rsplit('.').next() == Some(*kind)) else {
        return vec![complaint(1, format!("systemd-219.txt says nothing of a unit like {name}"))];
    };
    let known = known();
    let (assignments, mut found) = unit_file::read(text);
    for Assignment { line, section, name, value } in &assignments {
        let what = match known.get(&(section.as_str(), name.as_str())) {
            _ if !sections.contains(&section.as_str()) => Some(format!("219 has no section [{section}] here")),
            None => Some(format!("219 does not know {name} in [{section}]")),
            Some(kind) => wrong(kind, value).map(|why| format!("{name}={value}: {why}")),
        };
        found.extend(what.map(|what| complaint(*line, what)));
    }
    found.extend(combinations(&assignments));
    found
}

/// The kind of each directive's values, by section and name.
fn known() -> HashMap<(&'static str, &'static str), &'static str> {
    let (mut known, mut section) = (HashMap::new(), "");
    for line in KNOWN.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            continue;
        }
        let (kind, names) = line.split_once(": ").unwrap();
        for name in names.split_whitespace() {
            assert!(known.insert((section, name), kind).is_none(), "{name} is in [{section}] twice");
        }
    }
    known
}

/// Why 219 does not take a value, or takes it otherwise than later ones.
fn wrong(kind: &str, value: &str) -> Option<String> {
    if value.contains('%') {
        return Some("what a % stands for differs from version to version".into());
    }
    let unless = |right: bool, why: &str| (!right).then(|| why.to_owned());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        "text" => unless(!value.is_empty(), "it is empty"),
        "units" => {
            let unit = |word: &str| UNIT_TYPES.iter().any(|end| word.len() > end.len() && word.ends_with(end));
            unless(!value.is_empty() && value.split_whitespace().all(unit), "that is no list of units")
        }
        "urls" => {
            let url =
                |word: &str| ["https://", "http://", "file:/", "man:", "info:"].iter().any(|s| word.starts_with(s));
            unless(!value.is_empty() && value.split_whitespace().all(url), "that is no list of URLs")
        }
        "bool" => unless(BOOL.contains(&value.to_ascii_lowercase().as_str()), "that is neither true nor false"),
        "number" => unless(digits(value), "that is no number"),
        "integer" => unless(digits(value.strip_prefix('-').unwrap_or(value)), "that is no number"),
        "limit" => unless(digits(value) || value == "infinity", "219 knows one plain number here, or infinity"),
        "size" => unless(digits(value.trim_end_matches(['K', 'M', 'G', 'T'])), "219 knows bytes here, or K, M, G, T"),
        "path" => unless(value.trim_start_matches(['-', '|', '!']).starts_with('/'), "that is no absolute path"),
        "paths" => {
            let path = |word: &str| word.strip_prefix('-').unwrap_or(word).starts_with('/');
            unless(!value.is_empty() && value.split_whitespace().all(path), "that is no list of absolute paths")
        }
        // None at all, as 219 and later ones read an empty one.
        "capabilities" => {
            let names = value.strip_prefix('~').unwrap_or(value);
            unless(names.split_whitespace().all(|name| CAPABILITIES.contains(&name)), "219 may not know one of these")
        }
        "environment" => {
            let sets = |word: &str| word.split_once('=').is_some_and(|(name, _)| !name.is_empty());
            let plain = !value.contains(['"', '\'']);
            unless(plain && !value.is_empty() && value.split_whitespace().all(sets), "that is no list of NAME=VALUE")
        }
        "command" => unless(
            value.strip_prefix(['-', '@']).unwrap_or(value).starts_with('/'),
            "219 knows an absolute path here, with - or @ before it and nothing else",
        ),
        "span" => span(value).err(),
        "timeout" => span(value).map_or_else(Some, |zero| {
            unless(
                !zero || value == "0",
                "write 0, which is \"no limit\" on every version: another zero is \"at once\" on 239",
            )
        }),
        "unheld" => Some("219 knows it; systemd-219.txt does not say what values it takes there: add it".into()),
        values if values.contains('|') => unless(
            values.split('|').any(|known| known == value),
            &format!("219 knows {} here", values.replace('|', ", ")),
        ),
        other => panic!("systemd-219.txt has the unknown kind {other}"),
    }
}

/// Whether a span of time is none at all, or why 219 does not read it.
fn span(value: &str) -> Result<bool, String> {
    if value == "infinity" {
        return Err("`infinity` is \"at once\" for systemd before 229; 0 is \"no limit\" on every version".into());
    }
    let (mut rest, mut zero) = (value.trim_start(), true);
    if rest.is_empty() {
        return Err("it is empty".into());
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if rest[..number].parse::<f64>().is_err() {
            return Err(format!("{value:?} is no span of time"));
        }
        zero &= rest[..number].bytes().all(|byte| byte == b'0' || byte == b'.');
        rest = rest[number..].trim_start();
        let unit = rest.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(rest.len());
        if !TIME.contains(&&rest[..unit]) {
            return Err(format!("219 has no unit of time {:?}", &rest[..unit]));
        }
        rest = rest[unit..].trim_start();
    }
    Ok(zero)
}

/// What 219 refuses of a service as a whole: service_verify in v219's src/core/service.c.
fn combinations(assignments: &[Assignment]) -> Vec<Complaint> {
    let all =
        |name: &str| assignments.iter().filter(|one| one.section == "Service" && one.name == name).collect::<Vec<_>>();
    let oneshot = all("Type").iter().any(|one| one.value == "oneshot");
    let refused = all("Restart").into_iter().filter(|one| oneshot && one.value != "no");
    let more = all("ExecStart").into_iter().skip(1).filter(|_| !oneshot);
    let why = |one: &Assignment, what: &str| Complaint { line: one.line, what: what.to_owned() };
    let refused = refused.map(|one| why(one, "219 refuses Restart= for Type=oneshot"));
    let more = more.map(|one| why(one, "219 refuses a second ExecStart= but for Type=oneshot"));
    refused.chain(more).collect()
}

#[test]
fn what_systemd_219_does_not_know_is_named_with_its_line() {
    let unit =
        |line: &str| format!("[Unit]\nDescription=x\n[Service]\nExecStart=/x\n{line}\n[X-Ours]\nAnything=infinity\n");
    assert_eq!(complaints("x.service", &unit("TimeoutStartSec=0")), []);
    for (line, why) in [
        ("TimeoutStartSec=infinity", "`infinity` is \"at once\" for systemd before 229"),
        ("TimeoutStopSec=0s", "write 0"),
        ("RestartSec=2 fortnights", "219 has no unit of time \"fortnights\""),
        ("RestartSec=soon", "no span of time"),
        ("RandomizedDelaySec=15min", "219 does not know RandomizedDelaySec in [Service]"),
        ("StartLimitIntervalSec=0", "219 does not know StartLimitIntervalSec in [Service]"),
        ("[Unit]\nStartLimitInterval=0", "219 does not know StartLimitInterval in [Unit]"),
        ("[Timer]\nOnActiveSec=1h", "219 has no section [Timer] here"),
        ("[Manager]\nOnActiveSec=1h", "219 has no section [Manager] here"),
        ("ProtectSystem=strict", "219 knows no, yes, full here"),
        ("Type=exec", "219 knows simple, forking, oneshot, dbus, notify, idle here"),
        ("Type=oneshot\nRestart=on-failure", "219 refuses Restart= for Type=oneshot"),
        ("Restart=ever", "219 knows no, on-success,"),
        ("NoNewPrivileges=maybe", "neither true nor false"),
        ("ExecStartPre=+/x", "219 knows an absolute path here"),
        ("ExecStart=/y", "219 refuses a second ExecStart="),
        ("ExecStartPre=/x %H", "differs from version to version"),
        ("MemoryLimit=50%", "differs from version to version"),
        ("MemoryMax=1G", "219 does not know MemoryMax in [Service]"),
        ("LimitNOFILE=1024:65536", "one plain number"),
        ("CapabilityBoundingSet=CAP_BPF", "219 may not know one of these"),
        ("ReadOnlyDirectories=/etc flash", "no list of absolute paths"),
        ("ReadWritePaths=/etc", "219 does not know ReadWritePaths in [Service]"),
        ("CPUWeight=25", "219 does not know CPUWeight in [Service]"),
        ("UMask=0077", "219 knows it; systemd-219.txt does not say"),
        ("ExecStartPre=/x \\\n# why\n    --y", "a comment within a command"),
        ("# one \\\nRestart=always", "a comment that ends in a backslash"),
        ("what is this", "has no \"=\""),
    ] {
        let found = complaints("x.service", &unit(line));
        let named = found.iter().any(|complaint| complaint.what.contains(why) && complaint.line >= 5);
        assert!(named, "{line}: {found:?} instead of {why}");
    }
    assert_eq!(complaints("x.socket", "").len(), 1, "there is no list for sockets");
}

#[test]
fn a_drop_in_is_read_as_the_unit_that_it_is_for() {
    let text = "[Service]\nOOMScoreAdjust=100\nTasksMax=10\n".to_owned();
    let source = "rootfs/usr/lib/systemd/system/docker.service.d/kubernetes-on-eos.conf".into();
    let drop_in = OnSwitch { name: "kubernetes-on-eos.conf".into(), source, text };
    let found = complaints(&drop_in.extends(), &drop_in.text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].what, "219 does not know TasksMax in [Service]");
}
