# shellcheck shell=sh
# Asks PORT of POD through a tunnel until the first answer, and ends the tunnel: KUBECTL KUBECONFIG POD LOCAL-PORT PORT NAMESPACE
"$1" --kubeconfig="$2" --namespace="$6" port-forward "$3" "$4:$5" >/tmp/port-forward.log 2>&1 &
forward=$!
tries=0
until curl --silent --max-time 5 "http://127.0.0.1:$4/"; do
    tries=$((tries + 1))
    if [ "$tries" -ge 50 ] || ! kill -0 "$forward"; then
        cat /tmp/port-forward.log >&2
        kill "$forward" || true
        exit 1
    fi
    sleep 0.2
done
kill "$forward"
