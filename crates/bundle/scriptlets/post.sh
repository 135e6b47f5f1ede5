# shellcheck shell=sh
# After installation: at every boot of a switch, and after an upgrade, which replaces the older image.
/usr/libexec/kubernetes-on-eos/programs mount
# Not in a root that no systemd runs in. The bring-up goes on by itself: an installation does not wait for it.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl --no-block restart kubernetes-on-eos.service
fi
