//! `build-swix --in-docker`: the same build in a Debian 12 container, for hosts that are something else.

use std::path::Path;

use anyhow::{Context, Result};
use common::{command::Program, files};

use super::{BuildSwix, Selection};
use crate::workspace::workspace;

const IMAGE: &str = "kubernetes-on-eos/builder";

/// Where this machine keeps the certificates that it trusts; a company's proxy may have its own among them.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

pub fn run(flags: &BuildSwix) -> Result<()> {
    let repository = workspace();
    let cache = pipeline::cache::default_directory()?;
    files::create_dir(&cache)?;
    files::create_dir(&flags.dist)?;
    let recipes = flags.selection.recipes.canonicalize().context("cannot find the recipes")?;
    Program::new("docker", "make the builder's image")?
        .args(["build", "--network", "host", "--tag", IMAGE])
        .arg(repository.join("docker/builder"))
        .run_shown()
        .context("the builder image cannot be made: is a Docker engine running, and can it get debian:bookworm?")?;

    let id = |flag: &str| Program::new("id", "know the user").and_then(|id| id.arg(flag).read());
    let user = format!("{}:{}", id("-u")?.trim(), id("-g")?.trim());
    let mut run: Vec<String> = ["run", "--rm", "--network", "host", "--user", &user].map(String::from).to_vec();
    let mut mount = |path: &Path, how: &str| {
        run.extend(["--volume".to_owned(), format!("{0}:{0}{how}", path.display())]);
    };
    // The same paths inside as outside, so that messages and logs lead to what they name.
    mount(&repository, "");
    mount(&cache, "");
    mount(&std::path::absolute(&flags.dist)?, "");
    mount(&recipes, ":ro");
    for (_, path) in &flags.selection.source {
        mount(path, ":ro");
    }
    if Path::new(CERTIFICATES).exists() {
        mount(Path::new(CERTIFICATES), ":ro");
    }
    let mut variables = vec![
        format!("KOE_CACHE={}", cache.display()),
        format!("HOME={}/home", cache.display()),
        format!("CARGO_TARGET_DIR={}/xtask-in-docker", cache.display()),
    ];
    for name in ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        variables.extend(std::env::var(name).ok().map(|value| format!("{name}={value}")));
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
