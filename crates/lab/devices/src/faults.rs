//! What Docker says when it cannot, and what a person can do about it.

/// A piece of Docker's words, and the advice.
const ADVICE: [(&str, &str); 7] = [
    (
        "unable to apply caps",
        "this engine refuses privileged containers, because its host lacks capabilities: put crates/lab/oci-runtime-wrapper in \
         front of runc, as docs/stand-in.md says under \"Hosts that lack capabilities\"",
    ),
    (
        "privileged mode is incompatible with user namespaces",
        "this engine remaps users and refuses privileged containers: start dockerd without --userns-remap",
    ),
    (
        "authorization denied",
        "an authorization plugin of this engine refuses the container, which has to be privileged: allow it, or use another engine",
    ),
    (
        "port is already allocated",
        "another container has that port of this machine: set PUBLISH_BASE in the topology to other ports, or to 0 for none",
    ),
    (
        "address already in use",
        "another program has that port of this machine: set PUBLISH_BASE in the topology to other ports, or to 0 for none",
    ),
    (
        "could not find an available",
        "Docker has no free network left: docker network ls, and docker network rm what nobody uses",
    ),
    ("Cannot connect to the Docker daemon", "start dockerd, or set DOCKER_HOST to where it is"),
];

/// The same error, with the advice in front where there is one.
pub(super) fn explain(error: anyhow::Error) -> anyhow::Error {
    let words = format!("{error:#}");
    match ADVICE.iter().find(|(piece, _)| words.contains(piece)) {
        Some((_, advice)) => error.context(*advice),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_words_are_kept_and_advice_comes_first() {
        let docker =
            "Error response from daemon: OCI runtime create failed: unable to apply caps: operation not permitted";
        let told = format!("{:#}", explain(anyhow::anyhow!(docker)));
        assert!(told.contains("docs/stand-in.md") && told.ends_with(docker), "{told}");
        let told = format!("{:#}", explain(anyhow::anyhow!("Bind for 0.0.0.0:8000 failed: port is already allocated")));
        assert!(told.contains("PUBLISH_BASE"), "{told}");
        assert_eq!(explain(anyhow::anyhow!("something else")).to_string(), "something else");
    }
}
