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
    let other_nodes = "{% for other in cluster.nodes if other.name != node.name %}{{ other.address }}={{ other.pod_cidr }}{% if not loop.last %},{% endif %}{% endfor %}";
    flags
        .replace(other_nodes, "2.2.2.2=10.16.1.0/24")
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
        assert_eq!(options.routed_nodes.len(), 1);
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
        ("--routed-nodes", run("--routed-nodes=2.2.2.2=10.16.1.0/24,3.3.3.3=10.16.2.0/24").routed_nodes.len() == 2),
        ("--service-cluster-ip-range", run(TRANSIT).service_cluster_ip_range == "10.10.0.0/22".parse().ok()),
        ("--healthz-port", run("--healthz-port=0").healthz_bind_address.is_none()),
        ("--metrics-port", run("--metrics-port=7").metrics_bind_address == Some("127.0.0.1:7".parse().unwrap())),
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
        ("--proxy-mode=kernelspace", "there are iptables and userspace"),
        ("--proxy-mode=Iptables", "must be iptables, userspace, or empty"),
        ("--detect-local-mode=NodeCIDR", "needs --cluster-cidr"),
        ("--detect-local-mode=BridgeInterface", "must be ClusterCIDR"),
        ("--nodeport-addresses=1.2.3.4", "write 1.2.3.4/32"),
        ("--conntrack-min=-1", "must be a whole number from 0 to 2147483647"),
        ("--masquerade-all=maybe", "--masquerade-all=maybe must be true or false"),
        ("--feature-gates=A", "gate=true"),
        ("--healthz-port=65536", "--healthz-port=65536 must be a whole number from 0 to 65535"),
        ("--iptables-min-sync-period=2m", "must not be more than --iptables-sync-period"),
        ("--pod-bridge-interface=eth+", "is no name of a network interface, such as kube0"),
        ("--pod-bridge-interface=of-sixteen-bytes", "is no name of a network interface"),
        ("--pod-cidr=10.16.0.0/24", "give all three, or the first alone"),
        ("--routed-nodes=2.2.2.2", "such as 2.2.2.2=10.16.1.0/24"),
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
        ("--conntrack-resize-hashsize", "takes EOS' kernel down"),
        ("--write-config-to=/tmp/x", "--write-config-to is upstream's, and not here: write the file by hand"),
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
        ("mode: kernelspace", "mode: kernelspace is a mode that this kube-proxy does not have"),
        ("detectLocalMode: BridgeInterface", "detectLocalMode: BridgeInterface must be ClusterCIDR"),
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
fn a_field_that_was_meant_for_another_is_an_error_that_names_it() {
    for (fields, expected) in [
        ("clusterCIRD: 10.0.0.0/8", "no field clusterCIRD; did you mean clusterCIDR?"),
        ("iptables: {masquradeAll: true}", "no field iptables.masquradeAll; did you mean iptables.masqueradeAll?"),
        ("masqueradeAll: true", "no field masqueradeAll; did you mean iptables.masqueradeAll?"),
        ("bogus: {kubeconfig: /k}\nkubeconfig: /k", "did you mean clientConnection.kubeconfig?"),
    ] {
        let message = with_file(fields, "").unwrap_err();
        assert!(message.contains(expected) && message.lines().count() == 1, "{fields}: {message}");
    }
}

#[test]
fn what_upstream_takes_with_a_warning_is_taken_with_one_that_names_it() {
    for (fields, expected) in [
        ("metadata: {name: config, creationTimestamp: null}", "metadata"),
        ("conntrack: {max: 1000}", "conntrack.max"),
        ("resourceContainer: /kube-proxy", "resourceContainer"),
        ("ipvs: {masqueradeAll: true}", "ipvs.masqueradeAll"),
        ("detectLocal: {bridgeInterface: br0, interfaceNamePrefix: \"\"}", "detectLocal"),
        ("logging: {format: text, flushFrequency: 5s}", "logging"),
        ("nftables: {masqueradeAll: true}", "nftables"),
        ("iptables: {localhostNodePorts: true}", "iptables.localhostNodePorts"),
        ("somethingElse: 1", "somethingElse"),
        ("mode: iptables\nmode: userspace", "duplicate"),
        ("---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration", "only the first document"),
        ("---\n{", "only the first document"),
        ("mode: ipvs", "there is no IPVS mode here"),
        ("clusterCIDR: 10.0.0.0/8\ndetectLocalMode: NodeCIDR", "NodeCIDR is taken for ClusterCIDR"),
    ] {
        let options = with_file(fields, "").unwrap_or_else(|why| panic!("{fields}: {why}"));
        let warnings = options.warnings.join("\n").to_lowercase();
        assert!(warnings.contains(&expected.to_lowercase()), "{fields}: {warnings:?}");
        assert_eq!(options.warnings.len(), 1, "{fields}: {warnings}");
    }
    let twice = with_file("mode: iptables\nmode: userspace", "").unwrap();
    assert_eq!(twice.proxy_mode, Some(ProxyMode::Userspace), "as upstream reads it");
}

#[test]
fn what_tools_write_out_that_says_nothing_is_no_warning() {
    let newer = "conntrack: {max: 0, maxPerCore: null, tcpBeLiberal: false, udpTimeout: 0s}\nresourceContainer: \"\"\n\
                 detectLocal: {bridgeInterface: \"\", interfaceNamePrefix: \"\"}\n\
                 iptables: {localhostNodePorts: null}\nlogging: {flushFrequency: 0, verbosity: 0}\n\
                 nftables: {masqueradeAll: false, syncPeriod: 0s}\nwindowsRunAsService: false\nmetadata: {}";
    assert_eq!(with_file(newer, "").unwrap(), run(""));
}

/// The flags that distributions give their kube-proxies, with what of them is of no effect here.
#[test]
fn flags_of_distributions_are_taken() {
    for (whose, line, without_effect) in [
        (
            "kops",
            "--alsologtostderr=true --cluster-cidr=100.96.0.0/11 --conntrack-max-per-core=131072 --hostname-override=n \
             --kubeconfig=/k --log-file=/l --logtostderr=false --master=https://a --oom-score-adj=-998 --v=2 \
             --resource-container= --ipvs-exclude-cidrs=",
            3,
        ),
        (
            "k3s",
            "--cluster-cidr=10.42.0.0/16,fd00::/56 --conntrack-max-per-core=0 --conntrack-tcp-timeout-close-wait=0s \
             --conntrack-tcp-timeout-established=0s --healthz-bind-address=127.0.0.1 --hostname-override=n \
             --kubeconfig=/k --proxy-mode=iptables",
            0,
        ),
        (
            "RKE",
            "--v=2 --healthz-bind-address=127.0.0.1 --cluster-cidr=10.42.0.0/16 --hostname-override=n --kubeconfig=/k",
            0,
        ),
        ("kubespray", "--config=FILE --v=2 --hostname-override=n --proxy-mode=bogus --masquerade-all=maybe", 2),
        (
            "GKE",
            "--cluster-cidr=10.0.0.0/14 --oom-score-adj=-998 --v=2 --iptables-sync-period=1m --iptables-min-sync-period=10s \
             --ipvs-sync-period=1m --ipvs-min-sync-period=10s --detect-local-mode=NodeCIDR --kubeconfig=/k",
            3,
        ),
        (
            "MicroK8s",
            "--kubeconfig=/k --cluster-cidr=10.1.0.0/16 --healthz-bind-address=127.0.0.1 --profiling=false \
             --proxy-mode ipvs --ipvs-scheduler rr --cleanup-ipvs",
            3,
        ),
        (
            "OpenShift",
            "--config-sync-period=15m --kubeconfig=/k --cluster-cidr=10.128.0.0/14 --proxy-port-range=30000-32767 \
             --udp-timeout=1s",
            2,
        ),
        (
            "Charmed Kubernetes",
            "--cluster-cidr=10.1.0.0/16 --kubeconfig=/k --logtostderr=true --v=0 --master=https://a --hostname-override=n \
             --conntrack-max-per-core=0",
            0,
        ),
        (
            "units written by hand",
            "--masquerade-all --cluster_cidr 10.2.0.0/16 --master=http://127.0.0.1:8080 --hostname-override n --logtostderr \
             --conntrack-tcp-timeout-established=0 --feature-gates=ExperimentalCriticalPodAnnotation=true --v=2",
            1,
        ),
    ] {
        let options = match line.strip_prefix("--config=FILE") {
            Some(flags) => with_file("mode: iptables", flags).unwrap(),
            None => run(line),
        };
        assert_eq!(options.warnings.len(), without_effect, "{whose}: {:#?}", options.warnings);
    }
}

proptest::proptest! {
    #[test]
    fn whatever_a_configuration_file_has_is_read_or_refused(text in configuration()) {
        let _ = parse_configuration(&text);
    }
}

/// Files that are not far from some, and others.
fn configuration() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let words: Vec<&str> =
        EVERY_FIELD.split_inclusive(['\n', ' ']).chain(["---\n", "{", "[", "*a", "&a ", "!!x ", "? "]).collect();
    let word = prop_oneof![9 => proptest::sample::select(words).prop_map(str::to_owned), 1 => any::<String>()];
    proptest::collection::vec(word, 0..40).prop_map(|words| {
        format!("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n{}", words.concat())
    })
}

#[test]
fn a_configuration_file_of_any_shape_is_read_or_refused() {
    let deep = format!("{{\"x\": {}", "[".repeat(100_000));
    let level = |number: usize| format!("l{number}: &l{number} [{}]\n", vec![format!("*l{}", number - 1); 9].join(","));
    let bomb = format!("l0: &l0 [x]\n{}", (1..12).map(level).collect::<String>());
    for text in ["", "a", "- a", "{", "\0", "kind: [1]", "a: *b", &deep, &bomb] {
        assert!(parse_configuration(text).is_err(), "{text:.40}");
    }
    for path in ["/dev/zero", "/", "/proc/self/mem"] {
        let message = parsed(&format!("--config={path}")).unwrap_err();
        assert!(message.starts_with(&format!("--config={path}: ")), "{message}");
    }
}

#[test]
fn another_kind_of_file_is_refused() {
    let error =
        config_file::parse("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n").unwrap_err();
    assert!(error.contains("only a KubeProxyConfiguration"), "{error}");
}
