//! What keeps our services from starving EOS' agents, and what each is taken away of what root may do.

use std::{collections::BTreeSet, fs};

use contract::services;

use crate::{
    support::{CLUSTER, OLD_SYSTEMD, OnSwitch, RELEASES, SERVICES, every_unit, rendered, rendered_for, repository},
    unit_file,
};

/// A newer systemd than 219, such as EOS has from 4.32 on.
const NEW_SYSTEMD: u32 = 252;

/// Each value that a unit gives a directive.
fn values(text: &str, name: &str) -> Vec<String> {
    let (assignments, _) = unit_file::read(text);
    assignments.into_iter().filter(|one| one.name == name).map(|one| one.value).collect()
}

fn services_of(systemd: u32) -> Vec<OnSwitch> {
    let mut units = every_unit(systemd);
    units.retain(|unit| unit.name.ends_with(".service"));
    assert!(units.len() > SERVICES.len() * 2);
    units
}

/// With upstream's kube-proxy, so that every service is a program of Go.
fn of_go(release: &str, service: &str) -> String {
    let cluster = format!("{CLUSTER}\n[kube-proxy]\nimplementation = \"upstream\"\n");
    rendered_for(&cluster, release, service, true).text
}

fn score(text: &str) -> i32 {
    let scores = values(text, "OOMScoreAdjust");
    assert_eq!(scores.len(), 1, "{text}");
    scores[0].parse().unwrap()
}

#[test]
fn every_service_of_ours_dies_before_an_agent_of_eos_and_leaves_no_core() {
    for OnSwitch { name, text, .. } in services_of(OLD_SYSTEMD) {
        assert_eq!(values(&text, "Slice"), [services::SLICE], "{name}");
        assert_eq!(values(&text, "LimitCORE"), ["0"], "{name}");
        // EOS' agents have 0, as everything has that says nothing.
        assert!((1..=1000).contains(&score(&text)), "{name}");
    }
    for release in RELEASES {
        for service in SERVICES {
            let (score, etcd) = (score(&of_go(release, service)), score(&of_go(release, "etcd")));
            assert!(score >= etcd, "{release} {service} outlives what the cluster knows");
        }
    }
}

#[test]
fn kubelet_and_upstreams_kube_proxy_do_not_make_themselves_the_last_to_die() {
    for release in RELEASES {
        for service in ["kubelet", "kube-proxy"] {
            let text = of_go(release, service);
            let flag = format!("    --oom-score-adj={} \\\n", score(&text));
            assert!(text.contains(&flag), "{release}: without {flag} it takes -999\n{text}");
        }
        // Its flag counts for the first five minutes.
        let kubelet = values(&of_go(release, "kubelet"), "CapabilityBoundingSet");
        assert_eq!(kubelet, ["~CAP_SYS_RESOURCE"], "{release}: with it kubelet goes back to -999 by itself");
    }
}

#[test]
fn memory_is_limited_in_the_words_of_the_systemd_that_there_is_and_never_etcds_or_the_api_servers() {
    let words = [(OLD_SYSTEMD, "MemoryLimit", "MemoryMax"), (NEW_SYSTEMD, "MemoryMax", "MemoryLimit")];
    for (systemd, word, other) in words {
        for OnSwitch { name, text, .. } in services_of(systemd) {
            let unlimited = ["etcd.service", "kube-apiserver.service"].contains(&name.as_str());
            // Written once for every systemd.
            let is_of_rootfs = name.starts_with(services::PACKAGE);
            let limits = values(&text, word).len();
            assert_eq!(limits, usize::from(!unlimited && !is_of_rootfs), "{systemd}: {name}");
            assert_eq!(values(&text, other), [""; 0], "{systemd}: {name}");
        }
        let slices: BTreeSet<String> =
            every_unit(systemd).into_iter().filter(|unit| unit.name == services::SLICE).map(|unit| unit.text).collect();
        assert_eq!(slices.len(), 1, "the releases have the same slice");
        for slice in slices {
            let weights = ["CPUShares", "CPUWeight"].map(|name| values(&slice, name).concat());
            // Of 1024 and of 100, which everything else has.
            assert_eq!(weights, if systemd == OLD_SYSTEMD { ["256", ""] } else { ["", "25"] });
            assert_eq!(values(&slice, word), [""; 0], "it would be a limit on etcd and the API server");
        }
    }
}

/// Go knows GOMEMLIMIT from 1.19 on: 1.20 is built with that, 1.12 with 1.11.
#[test]
fn each_program_of_go_collects_garbage_before_its_limit_where_its_go_can() {
    for service in SERVICES {
        assert!(!of_go("1.12", service).contains("GOMEMLIMIT"), "{service}");
        let text = of_go("1.20", service);
        let goal: u64 = goal(&text).strip_suffix("MiB").unwrap().parse().unwrap();
        if let Some(limit) = values(&text, "MemoryLimit").first() {
            let limit: u64 = limit.strip_suffix('M').unwrap().parse().unwrap();
            assert!(goal < limit && goal * 2 > limit, "{service}: {goal} of {limit}");
        }
    }
    assert!(!rendered("1.20", "kube-proxy", true).text.contains("GOMEMLIMIT"), "ours is no program of Go");
}

fn goal(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("Environment=GOMEMLIMIT=")).unwrap().to_owned()
}

#[test]
fn what_a_service_does_not_need_of_root_it_has_not() {
    for OnSwitch { name, text, .. } in services_of(OLD_SYSTEMD) {
        // They make mounts that others have to see, load modules and start everything else.
        if ["kubelet.service", services::BOOTSTRAP, services::RECONCILER, services::RENEWAL].contains(&name.as_str()) {
            assert!(values(&text, "PrivateTmp").is_empty(), "{name}: what it mounts would be nowhere else");
            continue;
        }
        let capabilities = match name.as_str() {
            "kube-proxy.service" => "CAP_NET_ADMIN CAP_NET_RAW",
            "cluster-dns.service" => "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE",
            // Without, root is kept from what the operator's user alone may read, where the flash has modes.
            services::ENROLMENT | services::SNAPSHOT => "CAP_DAC_OVERRIDE",
            _ => "CAP_DAC_READ_SEARCH",
        };
        assert_eq!(values(&text, "CapabilityBoundingSet"), [capabilities], "{name}");
        for directive in ["NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome"] {
            assert_eq!(values(&text, directive), ["yes"], "{name}: {directive}");
        }
        assert_eq!(values(&text, "ProtectSystem"), ["full"], "{name}");
    }
}

#[test]
fn pods_are_kept_from_what_cluster_toml_keeps_for_eos_and_from_nothing_without_it() {
    for release in RELEASES {
        assert!(
            !rendered(release, "kubelet", true).text.contains("-reserved"),
            "a cluster that runs keeps what it has"
        );
        let cluster = format!("{CLUSTER}\n[reserved]\nmemory = \"2Gi\"\ncpu = \"500m\"\n");
        let kubelet = rendered_for(&cluster, release, "kubelet", true).text;
        let flags = "--image-gc-high-threshold=100 \\\n    --system-reserved=cpu=500m,memory=2048Mi \\\n    \
                     --kube-reserved=cpu=400m,memory=1280Mi \\\n    --eviction-hard=";
        assert!(kubelet.contains(flags), "{kubelet}");
    }
}

#[test]
fn the_manual_has_the_figures_of_the_units() {
    let manual = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    for service in SERVICES {
        let text = of_go("1.20", service);
        let limit = values(&text, "MemoryLimit").concat();
        let limit = if limit.is_empty() { "none".to_owned() } else { limit.replace('M', " MiB") };
        let row = format!("| {} | {limit} | {} |", goal(&text).replace("MiB", " MiB"), score(&text));
        let found = manual.lines().any(|line| line.starts_with(&format!("| {service} ")) && line.contains(&row));
        assert!(found, "{service}: {row}");
    }
}
