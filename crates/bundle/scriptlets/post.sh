# shellcheck shell=sh
# After installation: at every boot of a switch, and after an upgrade, which replaces the older image.
/usr/libexec/kubernetes-on-eos/programs mount
