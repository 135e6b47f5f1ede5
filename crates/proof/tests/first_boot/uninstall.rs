//! Removal of the extension: compared with the same switch when it boots without it.

use std::time::Duration;

use proof::Switch;

use crate::support::parts;

/// What a switch has beside its flash: units, mounts, packet filter, interfaces, routes, containers, programs.
fn everything(switch: &Switch) -> String {
    switch
        .sh("echo units; systemctl list-units --all --plain --no-legend --type=service,timer,mount | cut -d' ' -f1 |
                 grep -v -e '^run-docker' -e '^var-lib-docker' -e '^systemd-tmpfiles-clean' | sort
             echo unit files; find /run/systemd/system /etc/systemd/system -mindepth 1 | sort
             echo mounts; cut -d' ' -f2 /proc/mounts | sort
             echo filter; iptables-save | grep -e '^-A' -e '^:.* - ' | sed 's/ \\[[0-9:]*\\]$//' | sort
             echo filter 6; ip6tables-save | grep -e '^-A' -e '^:.* - ' | sed 's/ \\[[0-9:]*\\]$//' | sort || true
             echo links; ls /sys/class/net
             echo routes; ip -4 route show | sort
             echo containers; docker ps --all --quiet
             echo programs; cat /proc/[0-9]*/comm | sort -u | grep -e kube -e etcd -e k8s -e hyper -e pause || true
             echo files; find /opt /usr/libexec /run -maxdepth 1 -name '*kube*' | sort")
        .unwrap()
}

/// The switch is rebooted for it, so this comes last.
pub fn leaves_nothing_but_the_flash(switch: &Switch) {
    let kept =
        "cd /mnt/flash && find . -type f -not -path './k8s/etcd/*' -not -path './k8s/log/*' -exec sha256sum {} +";
    let flash = switch.sh(kept).unwrap();
    let swix = parts().swix;
    let name = swix.file_name().and_then(|name| name.to_str()).unwrap();
    switch.exec_ok(["extension", "--remove", name]).unwrap();
    let removed = everything(switch);
    assert_eq!(flash, switch.sh(kept).unwrap());
    assert!(switch.sh("ls /mnt/flash/k8s/etcd/member/snap/db").is_ok());

    switch.exec_ok(["cp", "/dev/null", "/mnt/flash/boot-extensions"]).unwrap();
    switch.reboot().unwrap();
    assert_eq!(switch.wait_until_booted(Duration::from_secs(60)).unwrap(), "running");
    let plain = everything(switch);
    assert!(removed == plain, "not as on a plain switch:\n{}", difference(&removed, &plain));
}

/// The lines that only one of the two has.
fn difference(removed: &str, plain: &str) -> String {
    let only = |sign: &'static str, one: &str, other: &str| -> String {
        let lines = one.lines().filter(|line| other.lines().all(|theirs| theirs != *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    only("left:", removed, plain) + &only("missing:", plain, removed)
}
