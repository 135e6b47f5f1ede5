#!/bin/sh
# What `cargo xtask bench first-boot` and `bench packing` do on a switch.
#
#   switch.sh install FILE.swix    install the extension, and start nothing
#   switch.sh time COMMAND …       print what became healthy after how many milliseconds of the command's start
#   switch.sh save                 put what `by-hand` needs into /mnt/flash/by-hand, of a switch that is up
#   switch.sh by-hand              start the services from certificates, kubeconfigs and units that are there
#   switch.sh memory UNIT          print a service's resident memory, now and at most, in KiB
#   switch.sh plain                put the programs into memory, without a compressor
#   switch.sh etcd-in-memory       put etcd's data into memory
#   switch.sh processor            print the processor time of all that is or was on the switch, in ns
#   switch.sh ticks UNIT           print a service's processor time, in hundredths of a second
#   switch.sh proportional         print the proportional set size of all services, in KiB
set -eu

pki=/mnt/flash/k8s/pki
saved=/mnt/flash/by-hand
cni=/run/kubernetes-on-eos/cni
programs=/opt/kubernetes-on-eos
units="etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy"

install() {
    directory=$(mktemp -d)
    unzip -q "$1" -d "$directory"
    rpm --upgrade --noscripts "$directory"/*.rpm
    rm -r "$directory"
    systemctl daemon-reload
}

ask() {
    curl --silent --max-time 2 "$@"
}

api() {
    ask --cacert "$pki/ca.pem" --cert "$pki/admin.pem" --key "$pki/admin-key.pem" "https://127.0.0.1:6443$1"
}

etcd_is_healthy() {
    client=$pki/kube-apiserver-etcd-client
    ask --cacert "$pki/etcd-ca.pem" --cert "$client.pem" --key "$client-key.pem" https://127.0.0.1:2379/health |
        grep -q '"health":"true"'
}

api_server_is_healthy() {
    [ "$(api /healthz)" = ok ]
}

controller_manager_is_healthy() {
    [ "$(ask http://127.0.0.1:10252/healthz)" = ok ]
}

scheduler_is_healthy() {
    [ "$(ask http://127.0.0.1:10251/healthz)" = ok ]
}

# By a word of the kubelet that runs now: the API server keeps the word of the one before the reboot.
node_is_ready() {
    said=$(api "/api/v1/nodes/$(hostname)?pretty=true" | grep -A 2 '"type": "Ready"') || return 1
    case $said in *'"status": "True"'*) ;; *) return 1 ;; esac
    heartbeat=${said##*\"lastHeartbeatTime\": \"}
    [ "$(date --date "${heartbeat%%\"*}" +%s)" -ge "$began_second" ]
}

time_it() {
    began_second=$(date +%s)
    began=$(date +%s%3N)
    "$@" >/tmp/start.log 2>&1 &
    for what in etcd_is_healthy api_server_is_healthy controller_manager_is_healthy scheduler_is_healthy node_is_ready; do
        until $what; do
            now=$(date +%s%3N)
            if [ $((now - began)) -gt 300000 ]; then
                echo "$what: not after 300 s" >&2
                cat /tmp/start.log >&2
                journalctl --boot --no-pager --output=cat --lines=10 --unit=kubernetes-on-eos >&2
                exit 1
            fi
            # A question over TLS with a client certificate is 35 ms of work here: not too many of them.
            sleep 0.25
        done
        now=$(date +%s%3N)
        echo "$what $((now - began))"
    done
    wait
}

save() {
    mkdir -p "$saved/units" "$saved/cni" "$saved/k8s"
    for unit in $units; do
        cp "/run/systemd/system/$unit.service" "$saved/units"
    done
    cp "$cni"/* "$saved/cni"
    for state in pki kubeconfigs encryption-config.yaml; do
        cp -r "/mnt/flash/k8s/$state" "$saved/k8s"
    done
}

by_hand() {
    [ -e "$programs/bin" ] || /usr/libexec/kubernetes-on-eos/programs mount
    echo 1 >/proc/sys/net/ipv4/ip_forward
    mkdir -p "$cni" /mnt/flash/k8s/log
    cp "$saved"/cni/* "$cni"
    cp "$saved"/units/* /run/systemd/system
    systemctl daemon-reload
    systemctl start etcd
    systemctl start kube-apiserver kube-controller-manager kube-scheduler
    systemctl start docker
    docker load --quiet --input /opt/kubernetes-on-eos/images/pause.tar
    systemctl start kubelet kube-proxy
}

memory() {
    sed -n 's/^\(VmRSS\|VmHWM\):[^0-9]*\([0-9]*\) kB$/\1 \2/p' "/proc/$(process_of "$1")/status"
}

process_of() {
    systemctl show --property MainPID --value "$1"
}

plain() {
    /usr/libexec/kubernetes-on-eos/programs mount
    mkdir /tmp/plain
    cp -a "$programs/." /tmp/plain
    /usr/libexec/kubernetes-on-eos/programs unmount
    mount -t tmpfs plain "$programs"
    cp -a /tmp/plain/. "$programs"
    rm -r /tmp/plain
}

etcd_in_memory() {
    mkdir /tmp/etcd
    cp -a /mnt/flash/k8s/etcd/. /tmp/etcd
    mount -t tmpfs etcd /mnt/flash/k8s/etcd
    cp -a /tmp/etcd/. /mnt/flash/k8s/etcd
}

processor() {
    cat /sys/fs/cgroup/cpuacct/cpuacct.usage
}

ticks() {
    read -r stat <"/proc/$(process_of "$1")/stat"
    # After the name: utime and stime are the 14th and 15th field.
    # shellcheck disable=SC2086 # The fields are words.
    set -- ${stat##*) }
    shift 11
    echo $(($1 + $2))
}

proportional() {
    for unit in $units; do
        cat "/proc/$(process_of "$unit")/smaps_rollup"
    done | awk '$1 == "Pss:" { all += $2 } END { print all }'
}

verb=$1
shift
case $verb in
    install) install "$@" ;;
    time) time_it "$@" ;;
    save) save ;;
    by-hand) by_hand ;;
    memory) memory "$@" ;;
    plain) plain ;;
    etcd-in-memory) etcd_in_memory ;;
    processor) processor ;;
    ticks) ticks "$@" ;;
    proportional) proportional ;;
    *) exit 2 ;;
esac
