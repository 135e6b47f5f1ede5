//! The order of a boot: extensions, some seconds later the configuration, and once more all that EOS holds for its own.

use devices::Flash;

use crate::support::{cli, cli_ok, one_switch, ping, swix_with};

/// What an extension finds: what the switch is called, its addresses and ways but for Docker's own, and whether the command line
/// answers.
const LOOK: &str = "{
    hostname
    ip -4 -oneline address show | awk '$2 != \"docker0\" { print $2, $4 }'
    ip -4 route show | grep -v docker0
    FastCli -A -p 15 -c 'show version' || echo refused
} >/run/found 2>&1";

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn an_extension_finds_no_name_no_address_and_no_route_and_a_switch_has_them_later() {
    let directory = tempfile::tempdir().unwrap();
    let flash = || Flash::new().with_boot_extension(&swix_with(directory.path(), "look", LOOK, "true")).unwrap();
    let refusal = "% Internal error: cannot connect to ConfigAgent: it is not running\nrefused\n";
    for (extensions_first, cli_later) in [(true, true), (true, false), (false, true)] {
        let traits = [("extensions-first", extensions_first), ("cli-after-configuration", cli_later)];
        let lab = one_switch("test-t-boot", &traits, flash());
        let switch = lab.device("veos-b").unwrap();
        let found = switch.exec_ok(["cat", "/run/found"]).unwrap();
        match (extensions_first, cli_later) {
            (true, true) => assert_eq!(found, format!("localhost\nlo 127.0.0.1/8\n{refusal}")),
            (true, false) => assert!(found.starts_with("localhost\nlo 127.0.0.1/8\nKubernetes on EOS"), "{found}"),
            (false, _) => {
                assert!(found.starts_with("veos-b\n") && found.contains("lo 1.1.1.1/32"), "{found}");
                assert!(!found.contains("refused"), "{found}");
            }
        }
        assert_eq!(switch.exec_ok(["hostname"]).unwrap(), "veos-b\n");
        let management = format!("{}/", switch.management_address().unwrap());
        let shown = switch.exec_ok(["ip", "-4", "address", "show", "dev", "eth0"]).unwrap();
        assert!(shown.contains(&management), "{shown}");
        cli_ok(&switch, "show version");
        ping(&lab.device("host-c1").unwrap(), "1.1.1.1");
    }
}

/// What an extension puts into the kernel, and what of it is there then.
const PUT: &str = "iptables -w -N OTHERS
    iptables -w -I INPUT -j OTHERS
    iptables -w -t nat -N OTHERS
    ip -4 route add 198.51.100.0/24 dev lo
    echo 1 >/proc/sys/net/ipv4/ip_forward
    /run/look >/run/put";

const SEE: &str = "{ iptables-save; ip -4 route show; } | grep -e OTHERS -e 198.51.100 || true";

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn what_others_put_into_the_kernel_is_gone_some_seconds_after_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let put = PUT.replace("/run/look", &format!("{{ {SEE}; }}"));
    let flash = || Flash::new().with_boot_extension(&swix_with(directory.path(), "put", &put, "true")).unwrap();
    for rebuilt in [true, false] {
        let lab = one_switch("test-t-rebuilt", &[("rebuilt-again", rebuilt)], flash());
        let switch = lab.device("veos-b").unwrap();
        let before = switch.exec_ok(["cat", "/run/put"]).unwrap();
        assert_eq!(before.lines().count(), 4, "{before}");
        let after = switch.exec_ok(["sh", "-c", SEE]).unwrap();
        assert_eq!(after, if rebuilt { "" } else { &before });
        // EOS' own are there, and routing goes on.
        let own = switch.exec_ok(["iptables-save"]).unwrap();
        assert!(own.contains("-A INPUT -j EOS_INPUT"), "{own}");
        assert_eq!(switch.exec_ok(["cat", "/proc/sys/net/ipv4/ip_forward"]).unwrap(), "1\n");
        ping(&lab.device("host-c1").unwrap(), "1.1.1.1");
        assert!(cli(&switch, "show version").0);
    }
}
