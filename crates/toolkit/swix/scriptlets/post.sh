# shellcheck shell=sh
# After installation: at every boot of a switch, and after an upgrade, which replaces the older image.
mounted=0
/usr/libexec/kubernetes-on-eos/programs mount || mounted=$?
# Not in a root that no systemd runs in. The bring-up goes on by itself, and mounts again what could not be mounted: an
# installation does not wait for it.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl --no-block restart kubernetes-on-eos.service
fi
exit "$mounted"
