#!/bin/sh
# Gives the interfaces that are there their addresses, and the host a default route by way of the first of them that
# has a gateway. docker-topo runs this once it has attached the links.
set -eu

# The host's first process has not come so far: it runs this itself.
[ -e /run/addresses ] || exit 0

# The two may come at the same moment.
exec 9>/run/set_ips.lock
flock 9

# gateway ADDRESS/LENGTH: the other end of a /31 and the other host of a /30; the network's first address below /24;
# else, as docker-topo has it, the .1 beside the address. Nothing where that is the host itself.
gateway() {
    address=${1%/*} length=${1#*/}
    host=${address##*.}
    case $length in
        31) first=$((host ^ 1)) ;;
        30) first=$((host & ~3 | (host & 3 ^ 3))) ;;
        2[5-9]) first=$((host & ~((1 << (32 - length)) - 1) | 1)) ;;
        *) first=1 ;;
    esac
    [ "$first" = "$host" ] || echo "${address%.*}.$first"
}

routed=
while IFS=: read -r interface address; do
    if [ -z "$address" ] || [ ! -e "/sys/class/net/$interface" ]; then
        continue
    fi
    ip address flush dev "$interface"
    ip address replace "$address" dev "$interface"
    ip link set "$interface" up
    case $address in
        # No network: whoever is on the link is asked for everything.
        */32) by= ;;
        *)
            by=$(gateway "$address")
            [ -n "$by" ] || continue
            ;;
    esac
    if [ -z "$routed" ]; then
        ip route replace default ${by:+via "$by"} dev "$interface"
        routed=yes
    fi
done </run/addresses
