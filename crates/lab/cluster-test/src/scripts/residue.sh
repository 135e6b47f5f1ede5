# shellcheck shell=bash
# What a switch has beside its flash, a line each: see residue.rs. What could not be asked must not look like what is not there.
set -euo pipefail
# Link-local addresses are made of addresses that Docker gives a device.
no_link_local() { sed 's/fe80::[0-9a-f:]*/fe80::/g'; }
rules() { { grep -e '^-A' -e '^:.* - ' || true; } | sed 's/ \[[0-9:]*\]$//' | sort; }

echo units; systemctl list-units --all --plain --no-legend --type=service,timer | cut -d' ' -f1 |
    grep -v -e '^systemd-tmpfiles-clean' | sort
echo unit files; find /run/systemd/system /etc/systemd/system -mindepth 1 | sort
echo mounts; cut -d' ' -f2 /proc/mounts | sort
echo filter; iptables-save | rules
echo filter 6; ip6tables-save | rules || true
echo links; ls /sys/class/net
echo rules; ip -4 rule show
echo routes; ip -4 route show | sed 's/ nhid [0-9]*//; s/ src [0-9.]*//' | sort
# Docker writes what it gives a device into /etc/hosts.
echo addresses; ip -4 -oneline address show | awk '
    BEGIN { while ((getline line <"/etc/hosts") > 0) { split(line, words); given[words[1]] } }
    { split($4, address, "/"); print $2, ($2 != "lo" && address[1] in given ? "given" : address[1]) "/" address[2] }' | sort
if [ -d /proc/sys/net/ipv6 ]; then
    echo rules 6; ip -6 rule show
    echo addresses 6; ip -6 -oneline address show | no_link_local | awk '{ print $2, $4 }' | sort
    echo routes 6; ip -6 route show table all | sed 's/ nhid [0-9]*//; s/ expires [0-9]*sec//' | no_link_local | sort
fi
echo containers; docker ps --all --quiet
echo images; docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort
echo volumes; docker volume ls --quiet
echo programs; cat /proc/[0-9]*/comm | sort -u | grep -e kube -e etcd -e k8s -e hyper -e pause || true
data=$(docker info --format '{{.DockerRootDir}}')
echo files; find /opt /usr/libexec /run "$data" -maxdepth 1 -name '*kube*' | sort
echo cgroups; find /sys/fs/cgroup -ignore_readdir_race -maxdepth 2 -name '*kube*' | sort
echo logs; find /var/log -ignore_readdir_race -mindepth 1 -maxdepth 1 | sort
# Those of others are their own matter, and new at every boot.
echo state; find /var/lib -ignore_readdir_race -mindepth 1 \( -path '/var/lib/docker/*' -o -path '/var/lib/containerd/*' \
    -o -path '/var/lib/rpm/*' -o -path '/var/lib/systemd/*' \) -prune -o -print | sort
# Without keys and names that a boot makes, or Docker gives a device.
# The stand-in keeps what Docker gave the device, which is another address after some boots.
echo etc; find /etc -type f -not -name 'ssh_host_*' -not -name machine-id -not -name key.json -not -path '/etc/host*' -not -path '/etc/veos-stand-in/kept/*' -exec sha256sum {} + | sort -k 2
echo links of etc; find /etc -type l -printf '%p -> %l\n' | sort
# It fails where one of all cannot be read.
echo sysctls; { sysctl --all 2>/dev/null || true; } | grep -e '^net\.' -e '^kernel\.panic' -e '^kernel\.keys\.' -e '^vm\.overcommit_memory' -e '^vm\.panic_on_oom' |
    grep -v -e '^net\.netfilter\.nf_conntrack_count' -e '_key = ' -e 'stable_secret' | sort
