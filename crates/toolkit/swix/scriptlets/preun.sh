# shellcheck shell=sh
# Before removal. $1 counts the versions that stay: after an upgrade the image of the new one is in use.
if [ "$1" -eq 0 ]; then
    if [ -d /run/systemd/system ] && [ -x /opt/kubernetes-on-eos/bin/k8s-node ]; then
        # EOS' command line waits for this scriptlet, and cannot be asked for anything meanwhile.
        /opt/kubernetes-on-eos/bin/k8s-node down --from-cli
    fi
    /usr/libexec/kubernetes-on-eos/programs unmount
fi
