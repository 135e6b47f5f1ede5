//! The end host's own program that gives it addresses and a way out, in network namespaces in the place of containers.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use common::command::Program;

/// A host with two cables to a switch, which also has the address 192.0.2.1. Arguments: the program, what is done on the
/// switch, and the host's addresses. Prints the host's default route, and whether the switch's further address answers.
const SCRIPT: &str = r#"
program=$1 on_switch=$2; shift 2
mount -t tmpfs none /run
mount -t sysfs none /sys
unshare --net sleep 60 &
switch=$!
trap 'kill $switch' EXIT
until [ "$(readlink /proc/$switch/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
printf '%s\n' "$@" >/run/addresses
for interface in eth1 eth2; do ip link add $interface type veth peer name $interface netns $switch; done
nsenter --net --target $switch sh -euc "ip address add 192.0.2.1/32 dev lo
    for interface in lo eth1 eth2; do ip link set \$interface up; done; $on_switch"
sh "$program"
sh "$program"
ip -4 route show default | sed 's/ *$//'
# Nobody listens there, and only one that is reached says so.
case $(LC_ALL=C timeout 2 bash -c '</dev/tcp/192.0.2.1/9' 2>&1) in *refused*) echo answered ;; *) echo no answer ;; esac
"#;

fn host(addresses: &[&str], on_switch: &str) -> Vec<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docker/host/rootfs/set_ips.sh");
    let run = Program::new("unshare", "try an end host's addresses").unwrap();
    let run = run.args(["--net", "--mount", "sh", "-euc", SCRIPT, "sh"]).arg(program).arg(on_switch).args(addresses);
    run.read().unwrap_or_else(|error| panic!("{error:#}")).lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs root and iproute2"]
fn an_end_host_reaches_what_is_behind_its_switch_with_an_address_of_any_length() {
    for (address, switch, route) in [
        ("10.0.0.6/30", "10.0.0.5/30", "via 10.0.0.5 dev eth1"),
        ("10.0.0.5/30", "10.0.0.6/30", "via 10.0.0.6 dev eth1"),
        ("10.0.0.7/31", "10.0.0.6/31", "via 10.0.0.6 dev eth1"),
        ("10.0.0.8/31", "10.0.0.9/31", "via 10.0.0.9 dev eth1"),
        ("10.0.0.77/27", "10.0.0.65/27", "via 10.0.0.65 dev eth1"),
        ("10.0.0.9/24", "10.0.0.1/24", "via 10.0.0.1 dev eth1"),
        ("10.0.5.9/16", "10.0.5.1/16", "via 10.0.5.1 dev eth1"),
    ] {
        let got = host(&[&format!("eth1:{address}")], &format!("ip address add {switch} dev eth1"));
        assert_eq!(got, [format!("default {route}"), "answered".to_owned()], "{address}");
    }
    let got = host(&["eth1:10.32.0.1/32"], "ip route add 10.32.0.1/32 dev eth1");
    assert_eq!(got, ["default dev eth1 scope link", "answered"]);
}

#[test]
#[ignore = "needs root and iproute2"]
fn the_first_address_that_has_a_gateway_is_the_way_out() {
    let addresses = ["eth9:10.9.0.2/24", "eth1:10.0.0.1/24", "eth2:10.1.0.3/24"];
    let got = host(&addresses, "ip address add 10.1.0.1/24 dev eth2");
    assert_eq!(got, ["default via 10.1.0.1 dev eth2", "answered"]);
    let got = host(&["eth1:10.0.0.2/24", "eth2:10.1.0.3/24"], "ip address add 10.0.0.1/24 dev eth1");
    assert_eq!(got, ["default via 10.0.0.1 dev eth1", "answered"]);
    assert_eq!(host(&["eth1:10.0.0.1/24"], "true"), ["no answer"]);
}
