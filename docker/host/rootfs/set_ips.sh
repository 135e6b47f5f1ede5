#!/bin/sh
# Gives the interfaces that are there their addresses, and a default route by way of each: the other end of
# a /31, or else the network's first address. docker-topo runs this once it has attached the links.
set -eu

# The host's first process has not come so far: it runs this itself.
[ -e /run/addresses ] || exit 0

# The two may come at the same moment.
exec 9>/run/set_ips.lock
flock 9

while IFS=: read -r interface address; do
    if [ -z "$address" ] || [ ! -e "/sys/class/net/$interface" ]; then
        continue
    fi
    network=${address%.*}
    host=${address##*.}
    host=${host%/*}
    case $address in
        */31) gateway=$network.$((host ^ 1)) ;;
        *) gateway=$network.1 ;;
    esac
    ip address flush dev "$interface"
    ip address replace "$address" dev "$interface"
    ip link set "$interface" up
    ip route replace default via "$gateway" dev "$interface"
done </run/addresses
