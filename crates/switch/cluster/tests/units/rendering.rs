//! What cluster.toml and the switch say reaches the flags.

use std::fs;

use cluster::{Cluster, room, units::render};
use contract::places;

use crate::support::{CLUSTER, RELEASES, SERVICES, recipes, rendered, rendered_for, repository, values};

#[test]
fn every_release_has_every_service() {
    for release in RELEASES {
        for service in SERVICES {
            let unit = rendered(release, service, true);
            let words: Vec<&str> = unit.text.lines().filter(|line| line.starts_with("ExecStart=")).collect();
            assert_eq!(words, [format!("ExecStart=/opt/kubernetes-on-eos/bin/{service} \\")], "{release}");
            assert!(!unit.text.contains("{{") && !unit.text.contains("{%"), "{}", unit.text);
            assert!(!unit.restart_on.is_empty(), "{release} {service} does not say when it is restarted");
            // A line of the command that does not end in a backslash ends the command.
            let command: Vec<&str> = unit
                .text
                .lines()
                .skip_while(|line| !line.starts_with("ExecStart="))
                .take_while(|line| line.ends_with('\\'))
                .collect();
            assert!(unit.text.contains(&format!("{}\n    --", command.join("\n"))), "{}", unit.text);
        }
    }
}

#[test]
fn values_of_cluster_toml_reach_the_flags() {
    let unit = rendered("1.20", "kube-apiserver", true).text;
    for flag in [
        "--advertise-address=1.1.1.1 \\",
        "--service-cluster-ip-range=10.10.0.0/22 \\",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local \\",
        "--insecure-port=0 \\",
        "--authorization-mode=Node,RBAC \\",
    ] {
        assert!(unit.contains(flag), "{flag} in {unit}");
    }
}

#[test]
fn etcd_and_the_audit_log_keep_to_the_room_that_is_made_for_them() {
    for release in RELEASES {
        let etcd = rendered(release, "etcd", true).text;
        for flag in [
            "--quota-backend-bytes=536870912 \\\n",
            "--max-request-bytes=1572864 \\\n",
            "--snapshot-count=100 \\\n",
            "--max-wals=2 \\\n",
            "--max-snapshots=2 \\\n",
            "--auto-compaction-retention=0\n",
        ] {
            assert!(etcd.contains(flag), "{flag} in {etcd}");
        }
        let server = rendered(release, "kube-apiserver", true).text;
        assert!(server.contains("--etcd-compaction-interval=5m "), "nobody compacts etcd's history: {server}");
        assert!(server.contains("--audit-log-maxbackup=3 \\\n    --audit-log-maxsize=10 \\\n"), "{server}");
        // So many lines a second, and none that is longer, bound what is written in a day.
        for flag in [
            "mode=batch",
            "batch-max-size=1",
            "batch-throttle-enable=true",
            "batch-throttle-qps=1",
            "truncate-enabled=true",
            "truncate-max-event-size=4096",
        ] {
            assert!(server.contains(&format!("--audit-log-{flag} \\\n")), "{flag}: {server}");
        }
    }
}

#[test]
fn external_ips_are_denied_where_cluster_toml_says_so() {
    let denied = |said: &str| {
        let unit = rendered_for(&format!("{CLUSTER}\n{said}"), "1.20", "kube-apiserver", true).text;
        let plugins =
            unit.lines().find(|line| line.trim_start().starts_with("--enable-admission-plugins=")).unwrap().to_owned();
        assert!(plugins.contains("NodeRestriction,") && plugins.ends_with(" \\"), "{plugins}");
        plugins.contains(",DenyServiceExternalIPs \\")
    };
    assert!(denied("[services]\nexternal_ips = \"denied\"\n"));
    assert!(
        !denied("") && !denied("[services]\nexternal_ips = \"allowed\"\n"),
        "clusters of before go on as they were"
    );
}

#[test]
fn kube_proxy_follows_the_routes_to_all_other_nodes_unless_cluster_toml_says_otherwise() {
    for release in RELEASES {
        let followed = |said: &str| {
            let unit = rendered_for(&format!("{CLUSTER}\n{said}"), release, "kube-proxy", true).text;
            unit.lines().find(|line| line.trim_start().starts_with("--routed-nodes=")).map(str::to_owned)
        };
        let nodes = "    --routed-nodes=2.2.2.2=10.16.1.0/24,3.3.3.3=10.16.2.0/24 \\";
        assert_eq!(followed("").as_deref(), Some(nodes));
        assert_eq!(followed("[kube-proxy]\nfollow_routes = false\n"), None);
        assert_eq!(followed("[kube-proxy]\nimplementation = \"upstream\"\n"), None);
    }
}

#[test]
fn the_api_server_reads_who_is_revoked_where_that_is_written() {
    let server = rendered("1.20", "kube-apiserver", true).text;
    assert!(server.contains(&format!("--revoked-clients-file={} \\\n", places::REVOKED_CLIENTS)), "{server}");
}

#[test]
fn what_the_manual_says_of_the_room_on_the_flash_is_what_is_asked_for() {
    let manual = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
    let (begin, most) = (mib(room::to_begin(cluster.master())), mib(room::at_most(cluster.master())));
    let said = format!("has to have {begin} free on its flash before its first boot");
    assert!(manual.contains(&said), "{said}");
    let said = format!("can come to {most}");
    assert!(manual.contains(&said), "{said}");
}

#[test]
fn a_controller_manager_without_the_authoritys_key_signs_nothing() {
    assert!(rendered("1.20", "kube-controller-manager", true).text.contains("--cluster-signing-key-file"));
    let without = rendered("1.20", "kube-controller-manager", false).text;
    assert!(!without.contains("--cluster-signing"), "{without}");
    assert!(without.contains("10.10.0.0/22 \\\n    --root-ca-file="), "{without}");
}

#[test]
fn an_operators_whole_chain_is_given_to_nobody_who_asks_for_clients_or_signs() {
    for release in RELEASES {
        for service in ["kube-apiserver", "kubelet"] {
            let unit = rendered(release, service, true).text;
            assert!(unit.contains(&format!("--client-ca-file={} \\\n", places::CLIENT_CA)), "{unit}");
        }
        // It takes a file with one certificate, and no other one.
        let unit = rendered(release, "kube-controller-manager", true).text;
        assert!(unit.contains(&format!("--cluster-signing-cert-file={} \\\n", places::SIGNING_CA)), "{unit}");
    }
}

#[test]
fn a_template_that_names_what_is_not_known_is_an_error() {
    let cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
    let error = render("etcd.service", "ExecStart={{ bni }}/etcd", &values(&cluster, cluster.master(), true));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("etcd.service"), "{error}");
}

#[test]
fn the_kubelets_pause_image_is_the_one_that_is_packed() {
    let recipe: toml::Table =
        toml::from_str(&fs::read_to_string(recipes().join("shared/pause.toml")).unwrap()).unwrap();
    let version = recipe["version"].as_str().unwrap();
    let tag = recipe["image"][0]["tag"].as_str().unwrap().replace("{version}", version);
    for release in RELEASES {
        let flag = format!("--pod-infra-container-image={tag} \\");
        assert!(rendered(release, "kubelet", true).text.contains(&flag), "{release}: {flag}");
    }
}

#[test]
fn conntrack_is_left_alone_whichever_kube_proxy_it_is() {
    for release in RELEASES {
        let ours = rendered(release, "kube-proxy", true).text;
        assert!(!ours.contains("conntrack-"), "{ours}");
        let cluster = format!("{CLUSTER}\n[kube-proxy]\nimplementation = \"upstream\"\n");
        let upstreams = rendered_for(&cluster, release, "kube-proxy", true).text;
        assert!(upstreams.contains("--conntrack-max-per-core=0 \\\n    --conntrack-min=0"), "{upstreams}");
    }
}

#[test]
fn cluster_toml_chooses_the_kube_proxy_and_its_mode() {
    for release in RELEASES {
        let of = |choice: &str| {
            rendered_for(&format!("{CLUSTER}\n[kube-proxy]\n{choice}\n"), release, "kube-proxy", true).text
        };
        let ours = of("");
        assert!(ours.starts_with("[Unit]\nDescription=Kubernetes on EOS kube-proxy\n"), "{ours}");
        assert!(ours.contains("\nType=notify\n") && !ours.contains("--proxy-mode"), "{ours}");
        let ranges = "--pod-bridge-interface=kube0 \\\n    --pod-cidr=10.16.0.0/24 \\\n    --service-cluster-ip-range=10.10.0.0/22 \\\n";
        assert!(ours.contains(ranges), "{ours}");
        let userspace = of("mode = \"userspace\"");
        assert!(
            userspace.contains(
                "bin/kube-proxy \\\n    --oom-score-adj=300 \\\n    --proxy-mode=userspace \\\n    --kubeconfig="
            ),
            "{userspace}"
        );
        let upstream = of("implementation = \"upstream\"");
        let start = "ExecStartPre=/opt/kubernetes-on-eos/bin/kube-proxy --cleanup\nExecStart=/opt/kubernetes-on-eos/bin/hyperkube kube-proxy \\\n";
        assert!(
            upstream.contains(start) && upstream.contains("--proxy-mode=iptables \\\n    --kubeconfig="),
            "{upstream}"
        );
        assert!(!upstream.contains("Type=notify") && !upstream.contains("--pod-cidr"), "{upstream}");
        let upstream = of("implementation = \"upstream\"\nmode = \"userspace\"");
        assert!(upstream.contains("--proxy-mode=userspace \\\n"), "{upstream}");
    }
}

#[test]
fn a_kube_proxy_that_there_is_not_is_an_error_with_its_line() {
    let error =
        Cluster::parse(&format!("{CLUSTER}\n[kube-proxy]\nimplementation = \"cilium\"\n"), "cluster.toml").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cilium") && text.contains("kubernetes-on-eos") && text.contains("upstream"), "{text}");
}

#[test]
fn the_name_service_is_told_what_cluster_toml_says_of_names() {
    let dns = "[dns]\nupstreams = [\"192.0.2.53\"]\nallow = [\"198.51.100.0/24\"]\n[dns.stub_domains]\n\"corp.example\" = [\"192.0.2.1\"]\n";
    for release in RELEASES {
        let plain = rendered(release, "cluster-dns", true).text;
        assert!(
            plain.contains("--pod-bridge-interface=kube0 \\\n    --metrics-bind-address=127.0.0.1:9153 \\\n"),
            "{plain}"
        );
        let text = rendered_for(&format!("{CLUSTER}\n{dns}"), release, "cluster-dns", true).text;
        let flags = "    --allow=198.51.100.0/24 \\\n    --upstream=192.0.2.53:53 \\\n    --stub-domain=corp.example=192.0.2.1:53 \\\n";
        assert!(text.contains(flags), "{text}");
    }
}
