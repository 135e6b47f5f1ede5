//! `build-swix --in-docker`: the same build in a Debian 12 container, for hosts that are something else.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use common::{command::Program, files, user};

use super::{BuildSwix, Selection};
use crate::workspace::workspace;

const IMAGE: &str = "kubernetes-on-eos/builder";

/// Where this machine keeps the certificates that it trusts; a company's proxy may have its own among them.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Variables of the user's that say how the network is reached.
const NETWORK: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Of these, the ones that name a file or directory.
const NAMES_A_PLACE: [&str; 3] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "CARGO_HTTP_CAINFO"];

/// Settings of the user's home that name mirrors, and what opens them.
const IN_HOME: [&str; 3] = [".gitconfig", ".config/git/config", ".netrc"];
const CREDENTIALS: [&str; 2] = ["credentials", "credentials.toml"];

pub fn run(flags: &BuildSwix) -> Result<()> {
    let repository = workspace();
    let cache = pipeline::cache::default_directory()?;
    files::create_dir(&cache)?;
    files::create_dir(&flags.dist)?;
    let recipes = flags.selection.recipes.canonicalize().context("cannot find the recipes")?;
    Program::new("docker", "make the builder's image")?
        .args(["build", "--network", "host", "--tag", IMAGE])
        .args(
            network()
                .filter(|(name, _)| NETWORK.contains(&name.as_str()))
                .flat_map(|(name, _)| ["--build-arg".into(), name]),
        )
        .arg(repository.join("docker/builder"))
        .run_shown()
        .context("the builder image cannot be made: is a Docker engine running, and can it get debian:bookworm?")?;

    let id = |flag: &str| Program::new("id", "know the user").and_then(|id| id.arg(flag).read());
    let user = format!("{}:{}", id("-u")?.trim(), id("-g")?.trim());
    // Docker's own init hands Ctrl-C on and waits for what is left.
    let mut run: Vec<String> =
        ["run", "--rm", "--init", "--network", "host", "--user", &user].map(String::from).to_vec();
    let mut mount_at = |path: &Path, place: &Path, how: &str| {
        run.extend(["--volume".to_owned(), format!("{}:{}{how}", path.display(), place.display())]);
    };
    let home = cache.join("home");
    for (file, place) in settings() {
        let place = home.join(place);
        // Where there is none, Docker would make one, and it would be root's.
        if !place.exists() {
            files::write_atomically(&place, "")?;
        }
        mount_at(&file, &place, ":ro");
    }
    // Where crates come from, as a build outside would have it.
    let (cargo, places) = pipeline::cargo_settings_for_a_container(&repository)?;
    files::write_atomically(&home.join(".cargo/config.toml"), cargo)?;
    let mut mount = |path: &Path, how: &str| mount_at(path, path, how);
    // The same paths inside as outside, so that messages and logs lead to what they name.
    mount(&repository, "");
    mount(&cache, "");
    mount(&std::path::absolute(&flags.dist)?, "");
    mount(&recipes, ":ro");
    for place in places.iter().filter(|place| place.exists()) {
        mount(place, ":ro");
    }
    // In a worktree, what Git knows of the commit is elsewhere.
    if let Some(git) = git_directory(&repository).filter(|git| !git.starts_with(&repository)) {
        mount(&git, ":ro");
    }
    for (_, path) in &flags.selection.source {
        mount(path, ":ro");
    }
    if Path::new(CERTIFICATES).exists() {
        mount(Path::new(CERTIFICATES), ":ro");
    }
    let mut variables = vec![
        format!("KOE_CACHE={}", cache.display()),
        format!("HOME={}", home.display()),
        format!("CARGO_TARGET_DIR={}/xtask-in-docker", cache.display()),
    ];
    for (name, value) in network() {
        if NAMES_A_PLACE.contains(&name.as_str()) && Path::new(&value).exists() {
            mount(&std::path::absolute(&value)?, ":ro");
        }
        // By its name alone: Docker takes the value from its own environment, and nobody else sees it.
        variables.push(name);
    }
    for variable in variables {
        run.extend(["--env".to_owned(), variable]);
    }
    run.extend(["--workdir".to_owned(), repository.display().to_string(), IMAGE.to_owned()]);
    run.extend(["cargo", "xtask", "build-swix"].map(String::from));
    run.extend(Selection { recipes, ..flags.selection.clone() }.arguments());
    run.extend([format!("--jobs={}", flags.jobs), format!("--dist={}", std::path::absolute(&flags.dist)?.display())]);
    run.extend(flags.program.iter().map(|name| format!("--program={name}")));
    Program::new("docker", "build in a container")?.args(run).run_shown()
}

/// The user's files, and where they are below the container's home.
fn settings() -> Vec<(PathBuf, PathBuf)> {
    let Some(home) = user::directory("HOME") else { return Vec::new() };
    let cargo = user::directory("CARGO_HOME").unwrap_or_else(|| home.join(".cargo"));
    let in_home = IN_HOME.iter().map(|name| (home.join(name), PathBuf::from(name)));
    let in_cargo_home = CREDENTIALS.iter().map(|name| (cargo.join(name), Path::new(".cargo").join(name)));
    in_home.chain(in_cargo_home).filter(|(file, _)| file.is_file()).collect()
}

/// Where there is one; a copy of the repository may have none.
fn git_directory(repository: &Path) -> Option<PathBuf> {
    let git = Program::new("git", "find the repository's Git directory").ok()?;
    let git = git.limit(Duration::from_secs(30)).dir(repository);
    let said = git.args(["rev-parse", "--path-format=absolute", "--git-common-dir"]).read();
    said.ok().map(|path| PathBuf::from(path.trim()))
}

fn network() -> impl Iterator<Item = (String, String)> {
    let of_cargo = |name: &str| {
        ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let all =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    all.filter(move |(name, _)| NETWORK.contains(&name.as_str()) || of_cargo(name))
}
