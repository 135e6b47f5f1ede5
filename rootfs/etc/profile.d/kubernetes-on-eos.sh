# shellcheck shell=sh
# Kubernetes' programs, kubectl among them, for every login shell.
case ":$PATH:" in
    *:/opt/kubernetes-on-eos/bin:*) ;;
    *) PATH=$PATH:/opt/kubernetes-on-eos/bin ;;
esac
