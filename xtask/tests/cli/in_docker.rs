//! `build-swix --in-docker` with a docker that writes down what it is asked: how the user's network is reached goes along.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{succeeds, xtask};

/// Writes a line for each argument.
const DOCKER: &str = "#!/bin/sh\nfor argument; do echo \"$argument\" >>\"$WRITTEN\"; done\n";

#[test]
fn mirrors_proxies_and_certificates_are_in_the_container_and_ctrl_c_reaches_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["bin", "user/.cargo"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    fs::write(at("bin/docker"), DOCKER).unwrap();
    fs::set_permissions(at("bin/docker"), PermissionsExt::from_mode(0o755)).unwrap();
    for file in ["user/.gitconfig", "user/.netrc", "company.pem", "user/another.pem"] {
        fs::write(at(file), "").unwrap();
    }
    // The old name of the file, and a path that is relative to the directory above it.
    fs::write(at("user/.cargo/config"), "[http]\ncainfo = \"another.pem\"\n[build]\nrustflags = [\"-g\"]\n").unwrap();
    let path =
        std::env::join_paths([at("bin")].into_iter().chain(std::env::split_paths(&std::env::var("PATH").unwrap())));
    let mut command = xtask(&at("cache"));
    command.args(["build-swix", "--in-docker", "--dist"]).arg(at("dist"));
    command.env("PATH", path.unwrap()).env("WRITTEN", at("written")).env("HOME", at("user")).env_remove("CARGO_HOME");
    command.env("ALL_PROXY", "socks5://127.0.0.1:9").env("CARGO_HTTP_CAINFO", at("company.pem"));
    succeeds(&mut command);
    let written = fs::read_to_string(at("written")).unwrap();
    let run: Vec<&str> = written.lines().skip_while(|line| *line != "run").collect();
    let home = at("cache/home");
    let mounted = |file: &str, place: &std::path::Path| format!("{}:{}:ro", at(file).display(), place.display());
    let cainfo = at("company.pem");
    for argument in [
        "--init".to_owned(),
        mounted("user/.gitconfig", &home.join(".gitconfig")),
        mounted("user/.netrc", &home.join(".netrc")),
        mounted("user/another.pem", &at("user/another.pem")),
        mounted("company.pem", &cainfo),
        "CARGO_HTTP_CAINFO".to_owned(),
        "ALL_PROXY".to_owned(),
        format!("HOME={}", home.display()),
    ] {
        assert!(run.contains(&argument.as_str()), "{argument} is not in: {written}");
    }
    let settings = fs::read_to_string(home.join(".cargo/config.toml")).unwrap();
    let cainfo = format!("cainfo = \"{}\"", at("user/another.pem").display());
    assert!(settings.contains(&cainfo) && !settings.contains("rustflags"), "{settings}");
    assert!(!written.contains("socks5://"), "a value may be a secret: {written}");
    // A file that Docker had to make would be root's.
    assert!(home.join(".netrc").is_file());
}
