//! The command line and the configuration file, as an operator writes them.

use std::io::Write as _;
use std::time::Duration;

use super::*;

fn parsed(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace()).map_err(|error| error.to_string())
}

fn run(line: &str) -> Options {
    match parsed(line) {
        Ok(Command::Run(options)) => options,
        other => panic!("{line}: {other:?}"),
    }
}

/// A configuration file with `fields`, and the options that it gives beside the flags of `line`.
fn with_file(fields: &str, line: &str) -> Result<Options, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n{fields}").unwrap();
    match parsed(&format!("--config={} {line}", file.path().display()))? {
        Command::Run(options) => Ok(options),
        other => panic!("{other:?}"),
    }
}

/// The flags that a unit's template gives this program, with something in place of its values.
fn flags_of_unit(unit: &str) -> String {
    let (_, start) = unit.split_once("ExecStart={{ bin }}/kube-proxy ").unwrap();
    let lines = start.lines().take_while(|line| !line.starts_with("Restart")).filter(|line| !line.starts_with("{%"));
    let flags: String = lines.skip(1).map(|line| line.trim_end_matches('\\')).collect();
    flags
        .replace("{{ cluster.kube_proxy.mode }}", "userspace")
        .replace("{{ kubeconfigs }}", "/etc/kubernetes")
        .replace("{{ node.name }}", "veos-b")
        .replace("{{ cluster.pod_cidr }}", "10.16.0.0/16")
        .replace("{{ cluster.service_cidr }}", "10.10.0.0/22")
        .replace("{{ cluster.bridge }}", "kube0")
        .replace("{{ node.pod_cidr }}", "10.16.0.0/24")
}

#[test]
fn the_units_of_every_release_are_followed() {
    for unit in [
        include_str!("../../../../../recipes/1.12/units/kube-proxy.service"),
        include_str!("../../../../../recipes/1.20/units/kube-proxy.service"),
    ] {
        let options = run(&flags_of_unit(unit));
        assert_eq!(options.node_name, "veos-b");
        assert_eq!(options.proxy_mode, Some(ProxyMode::Userspace));
        assert_eq!(options.cluster_cidr, Some("10.16.0.0/16".parse().unwrap()));
        assert_eq!(options.kubeconfig, Some("/etc/kubernetes/kube-proxy.kubeconfig".into()));
        assert_eq!(options.pod_bridge_interface.as_deref(), Some("kube0"));
        assert_eq!(options.pod_cidr, Some("10.16.0.0/24".parse().unwrap()));
        assert_eq!(options.service_cluster_ip_range, Some("10.10.0.0/22".parse().unwrap()));
    }
}

#[test]
fn every_flag_says_its_default_and_has_it() {
    for flag in flags::FLAGS {
        let mut draft = Draft::default();
        let default = match (&flag.kind, flag.default) {
            // Not given, these are not set; there is no way to write that.
            (_, "") if flag.name.starts_with("conntrack-") => continue,
            (_, default) => default,
        };
        flag.apply(&mut draft, default).unwrap_or_else(|why| panic!("--{} {why}", flag.name));
        assert_eq!(
            (draft.options, draft.action, draft.config),
            (Options::default(), Action::Run, None),
            "--{}",
            flag.name
        );
    }
}

/// What tells traffic that only passes through.
const TRANSIT: &str = "--pod-bridge-interface=kube0 --pod-cidr=10.16.0.0/24 --service-cluster-ip-range=10.10.0.0/22";

#[test]
fn every_flag_has_an_effect() {
    let cases = [
        ("--bind-address=10.0.0.1", run("--bind-address=10.0.0.1").bind_address == Ipv4Addr::new(10, 0, 0, 1)),
        ("--bind-address-hard-fail", run("--bind-address-hard-fail").bind_address_hard_fail),
        ("--cluster-cidr", run("--cluster-cidr 10.0.0.0/8").cluster_cidr == Some("10.0.0.0/8".parse().unwrap())),
        ("--conntrack-max-per-core", run("--conntrack-max-per-core=0").conntrack.max_per_core == Some(0)),
        ("--conntrack-min", run("--conntrack-min=131072").conntrack.min == Some(131_072)),
        (
            "--conntrack-tcp-timeout-established",
            run("--conntrack-tcp-timeout-established=24h").conntrack.tcp_established
                == Some(Duration::from_secs(86_400)),
        ),
        (
            "--conntrack-tcp-timeout-close-wait",
            run("--conntrack-tcp-timeout-close-wait=1h").conntrack.tcp_close_wait == Some(Duration::from_secs(3_600)),
        ),
        (
            "--detect-local-mode",
            run("--detect-local-mode=ClusterCIDR").detect_local_mode == DetectLocalMode::ClusterCidr,
        ),
        ("--feature-gates", !run("--feature-gates=EndpointSliceProxying=false").endpoint_slices),
        ("--healthz-bind-address", run("--healthz-bind-address=").healthz_bind_address.is_none()),
        ("--hostname-override", run("--hostname-override=Leaf-1").node_name == "leaf-1"),
        ("--iptables-masquerade-bit", run("--iptables-masquerade-bit=31").masquerade_bit == 31),
        ("--iptables-min-sync-period", run("--iptables-min-sync-period=0s").min_sync_period.is_zero()),
        ("--iptables-sync-period", run("--iptables-sync-period=1m").sync_period == Duration::from_secs(60)),
        ("--kubeconfig", run("--kubeconfig=/k").kubeconfig == Some("/k".into())),
        ("--logtostderr", run("--logtostderr=true") == run("")),
        ("--masquerade-all", run("--masquerade_all=true").masquerade_all),
        ("--master", run("--master=https://1.1.1.1:6443").master.as_deref() == Some("https://1.1.1.1:6443")),
        (
            "--metrics-bind-address",
            run("--metrics-bind-address=[::]:1").metrics_bind_address == Some("[::]:1".parse().unwrap()),
        ),
        ("--nodeport-addresses", run("--nodeport-addresses=127.0.0.0/8,10.0.0.0/8").nodeport_addresses.len() == 2),
        ("--oom-score-adj", run("--oom-score-adj=-1000").oom_score_adj == -1000),
        ("--proxy-mode", run("--proxy-mode=userspace").proxy_mode == Some(ProxyMode::Userspace)),
        ("--udp-timeout", run("--udp-timeout=5s").udp_timeout == Duration::from_secs(5)),
        ("--v", run("--v=4").verbosity == 4 && run("-v4").verbosity == 4 && run("-v 4").verbosity == 4),
        ("--config", with_file("mode: iptables", "").unwrap().proxy_mode == Some(ProxyMode::Iptables)),
        ("--cleanup", matches!(parsed("--cleanup"), Ok(Command::Cleanup(_)))),
        ("--print-rules", matches!(parsed("--print-rules"), Ok(Command::PrintRules(_)))),
        (
            "--pod-bridge-interface",
            run("--pod-bridge-interface=kube0").pod_bridge_interface.as_deref() == Some("kube0"),
        ),
        ("--pod-cidr", run(TRANSIT).pod_cidr == "10.16.0.0/24".parse().ok()),
        ("--service-cluster-ip-range", run(TRANSIT).service_cluster_ip_range == "10.10.0.0/22".parse().ok()),
        ("--help", parsed("-h") == Ok(Command::Help) && parsed("--help") == Ok(Command::Help)),
        ("--version", parsed("--version") == Ok(Command::Version)),
    ];
    for (flag, has_effect) in cases {
        assert!(has_effect, "{flag}");
    }
    for flag in flags::FLAGS {
        assert!(
            cases.iter().any(|(case, _)| case.split('=').next() == Some(&format!("--{}", flag.name))),
            "{}",
            flag.name
        );
    }
}

#[test]
fn a_wrong_value_is_named_with_its_flag_and_what_is_right() {
    for (line, expected) in [
        ("--iptables-masquerade-bit=32", "--iptables-masquerade-bit=32 must be a whole number from 0 to 31"),
        ("--oom-score-adj=1001", "--oom-score-adj=1001 must be a whole number from -1000 to 1000"),
        ("--iptables-sync-period=0s", "--iptables-sync-period=0s must be greater than 0"),
        ("--proxy-mode=ipvs", "there are iptables and userspace"),
        ("--proxy-mode=Iptables", "must be iptables, userspace, or empty"),
        ("--detect-local-mode=NodeCIDR", "must be ClusterCIDR"),
        ("--nodeport-addresses=1.2.3.4", "write 1.2.3.4/32"),
        ("--conntrack-min=-1", "must be a whole number from 0 to 2147483647"),
        ("--masquerade-all=maybe", "--masquerade-all=maybe must be true or false"),
        ("--feature-gates=A", "gate=true"),
        ("--logtostderr=false", "logs go to standard error"),
        ("--iptables-min-sync-period=2m", "must not be more than --iptables-sync-period"),
        ("--pod-bridge-interface=eth+", "is no name of a network interface, such as kube0"),
        ("--pod-bridge-interface=of-sixteen-bytes", "is no name of a network interface"),
        ("--pod-cidr=10.16.0.0/24", "give all three, or the first alone"),
        ("--pod-cidr=10.16.0.0/24 --service-cluster-ip-range=10.10.0.0/22", "give all three, or the first alone"),
        ("--kubeconfig", "--kubeconfig needs a value"),
        ("--config=/nowhere/at-all", "--config=/nowhere/at-all: No such file"),
        ("run", "\"run\" is no flag"),
    ] {
        let message = parsed(line).unwrap_err();
        assert!(message.contains(expected), "{line}: {message}");
    }
}

#[test]
fn a_flag_that_is_not_there_leads_to_one_that_is() {
    for (line, expected) in [
        ("--kubeconfg=/k", "there is no flag --kubeconfg; did you mean --kubeconfig?"),
        ("--cluster-cdir=1", "did you mean --cluster-cidr?"),
        ("--zzzzzzzzzz", "--help lists what there is"),
        ("-x", "there is no flag -x"),
        ("--ipvs-scheduler=rr", "--ipvs-scheduler is upstream's, and not here: there is no IPVS mode"),
        ("--conntrack-resize-hashsize", "takes EOS' kernel down"),
        ("--log-dir=/tmp", "logs go to standard error"),
    ] {
        let message = parsed(line).unwrap_err();
        assert!(message.contains(expected), "{line}: {message}");
    }
}

#[test]
fn nothing_is_set_of_conntrack_unless_asked_for() {
    assert_eq!(run("").conntrack, Conntrack::default());
    assert_eq!(with_file("conntrack: {maxPerCore: null, min: null}", "").unwrap().conntrack, Conntrack::default());
}

#[test]
fn a_node_without_another_name_has_the_host_s() {
    let host = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    assert_eq!(run("").node_name, host);
}

#[test]
fn help_names_every_flag_with_its_default() {
    let text = help();
    for flag in flags::FLAGS {
        assert!(text.contains(&format!("--{}", flag.name)), "{}", flag.name);
    }
    assert!(text.contains("--iptables-sync-period=duration"));
    assert!(text.contains("[default: 30s]"));
}

/// What kubeadm 1.20 writes, with every field that there is.
const EVERY_FIELD: &str = "
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: \"\"
  burst: 10
  contentType: application/vnd.kubernetes.protobuf
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 5
clusterCIDR: 10.16.0.0/16
configSyncPeriod: 15m0s
conntrack:
  maxPerCore: 32768
  min: 131072
  tcpCloseWaitTimeout: 1h0m0s
  tcpEstablishedTimeout: 24h0m0s
detectLocalMode: \"\"
enableProfiling: false
featureGates: {}
healthzBindAddress: 0.0.0.0:10256
hostnameOverride: \"\"
iptables:
  masqueradeAll: true
  masqueradeBit: 15
  minSyncPeriod: 0s
  syncPeriod: 1m
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: \"\"
  strictARP: false
  syncPeriod: 30s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
metricsBindAddress: 127.0.0.1
mode: iptables
nodePortAddresses: [10.0.0.0/8]
oomScoreAdj: -998
portRange: \"\"
showHiddenMetricsForVersion: \"\"
udpIdleTimeout: 500ms
winkernel:
  enableDSR: false
  networkName: \"\"
  sourceVip: \"\"
";

#[test]
fn every_field_of_a_configuration_file_is_known_and_the_honoured_ones_take_effect() {
    let expected = Options {
        node_name: "veos-b".into(),
        kubeconfig: Some("/var/lib/kube-proxy/kubeconfig.conf".into()),
        proxy_mode: Some(ProxyMode::Iptables),
        cluster_cidr: Some("10.16.0.0/16".parse().unwrap()),
        masquerade_all: true,
        masquerade_bit: 15,
        sync_period: Duration::from_secs(60),
        nodeport_addresses: vec!["10.0.0.0/8".parse().unwrap()],
        oom_score_adj: -998,
        udp_timeout: Duration::from_millis(500),
        conntrack: Conntrack {
            max_per_core: Some(32_768),
            min: Some(131_072),
            tcp_established: Some(Duration::from_secs(86_400)),
            tcp_close_wait: Some(Duration::from_secs(3_600)),
        },
        verbosity: 2,
        ..Options::default()
    };
    assert_eq!(with_file(EVERY_FIELD, "--hostname-override=veos-b --v=2").unwrap(), expected);
}

#[test]
fn an_empty_configuration_file_means_the_defaults() {
    assert_eq!(with_file("", "").unwrap(), run(""));
}

#[test]
fn a_field_without_effect_and_a_flag_beside_the_file_are_warnings() {
    let options =
        with_file("ipvs: {scheduler: rr}\nenableProfiling: true\nfeatureGates: {A: true}", "--masquerade-all").unwrap();
    assert!(!options.masquerade_all, "the file decides");
    let warnings = options.warnings.join("\n");
    for expected in ["enableProfiling", "ipvs.scheduler", "feature gate A=true", "--masquerade-all has no effect"] {
        assert!(warnings.contains(expected), "{expected} in {warnings}");
    }
    assert_eq!(options.warnings.len(), 4);
}

#[test]
fn what_is_wrong_in_a_configuration_file_is_named() {
    let cases = [
        ("clusterCIRD: 10.0.0.0/8", "clusterCIRD"),
        ("iptables: {masqueradeBit: 32}", "iptables.masqueradeBit: 32 must be a whole number from 0 to 31"),
        ("conntrack: {min: -1}", "conntrack.min: -1 must be"),
        ("nodePortAddresses: [1.2.3.4]", "1.2.3.4/32"),
        ("mode: ipvs", "mode: ipvs is a mode that this kube-proxy does not have"),
        ("iptables: {syncPeriod: 5}", "iptables.syncPeriod"),
        ("metricsBindAddress: localhost", "metricsBindAddress: localhost must be IP:port"),
    ];
    for (fields, expected) in cases {
        let message = with_file(fields, "").unwrap_err();
        assert!(message.starts_with("--config="), "{message}");
        assert!(message.contains(expected), "{fields}: {message}");
    }
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    let message = with_file("mode: iptables\nclusterCIRD: 10.0.0.0/8", "").unwrap_err();
    assert!(message.contains("unknown field `clusterCIRD`") && message.ends_with("line 4, column 1"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn another_kind_of_file_is_refused() {
    let error =
        config_file::parse("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n").unwrap_err();
    assert!(error.contains("only a KubeProxyConfiguration"), "{error}");
}
