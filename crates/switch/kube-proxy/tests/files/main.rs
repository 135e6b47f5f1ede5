//! Files that operators give: whatever is in them, none ends the program by a panic. `fuzz/` looks for one that does for as long as one
//! likes; here it is looked for with every run.

#![allow(clippy::unwrap_used)]

mod properties;

use proptest::prelude::*;

/// What stands in such files, so that what is made up of it is not far from some.
const WORDS: [&str; 40] = [
    "apiVersion: v1\n",
    "kind: Config\n",
    "current-context: x\n",
    "contexts:\n- name: x\n  context: {cluster: x, user: x}\n",
    "clusters:\n- name: x\n  cluster:\n",
    "users:\n- name: x\n  user:\n",
    "    server: ",
    "https://127.0.0.1:6443\n",
    "127.0.0.1:8080\n",
    "[::1]:1\n",
    "    token: ",
    "\"a\\nb\"\n",
    "|\n      abc\n",
    "    tokenFile: /dev/null\n",
    "    certificate-authority-data: ",
    "    client-certificate-data: ",
    "    client-key-data: ",
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=\n",
    "    insecure-skip-tls-verify: true\n",
    "    tls-server-name: ",
    "    proxy-url: ",
    "    username: u\n",
    "    password: p\n",
    "    as: a\n",
    "    as-groups: [g]\n",
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n",
    "mode: ",
    "iptables: {syncPeriod: 30s, masqueradeBit: 14}\n",
    "conntrack: {maxPerCore: 0, min: null}\n",
    "featureGates: {A: true}\n",
    "nodePortAddresses: [10.0.0.0/8]\n",
    "udpIdleTimeout: 1h\n",
    "---\n",
    "{",
    "}",
    "[",
    "&a ",
    "*a\n",
    "!!binary ",
    "\u{feff}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_file_is_read_or_refused(
        words in proptest::collection::vec(prop_oneof![9 => proptest::sample::select(WORDS.to_vec()).prop_map(str::to_owned), 1 => any::<String>()], 0..30),
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let text = words.concat().into_bytes();
        properties::any_file_is_read_or_refused(&text);
        properties::any_file_is_read_or_refused(&[text, bytes].concat());
    }
}
