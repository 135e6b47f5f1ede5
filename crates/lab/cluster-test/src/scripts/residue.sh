# shellcheck shell=sh
# What a switch has beside its flash, a line each: see residue.rs.
echo units; systemctl list-units --all --plain --no-legend --type=service,timer | cut -d' ' -f1 |
    grep -v -e '^systemd-tmpfiles-clean' | sort
echo unit files; find /run/systemd/system /etc/systemd/system -mindepth 1 | sort
echo mounts; cut -d' ' -f2 /proc/mounts | sort
echo filter; iptables-save | grep -e '^-A' -e '^:.* - ' | sed 's/ \[[0-9:]*\]$//' | sort
echo filter 6; ip6tables-save | grep -e '^-A' -e '^:.* - ' | sed 's/ \[[0-9:]*\]$//' | sort || true
echo links; ls /sys/class/net
echo routes; ip -4 route show | sed 's/ nhid [0-9]*//; s/ src [0-9.]*//' | sort
echo containers; docker ps --all --quiet
echo programs; cat /proc/[0-9]*/comm | sort -u | grep -e kube -e etcd -e k8s -e hyper -e pause || true
echo files; find /opt /usr/libexec /run -maxdepth 1 -name '*kube*' | sort
