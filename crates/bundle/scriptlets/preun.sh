# shellcheck shell=sh
# Before removal. $1 counts the versions that stay: after an upgrade the image of the new one is in use.
if [ "$1" -eq 0 ]; then
    /usr/libexec/kubernetes-on-eos/programs unmount
fi
