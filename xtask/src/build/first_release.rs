//! `first-release`: the SWIX that operators have from the first release, built out of git's history by that release itself, for the
//! scenarios that upgrade from it.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use common::{command::Program, files};

use crate::workspace::{dist, workspace};

/// The first release that has landed.
const COMMIT: &str = "df965f11b29d84d8bbe364e35cbe8578617c90d0";

/// Of the directory below dist/ that the SWIX is left in.
pub const DIRECTORY: &str = "first-release";

/// From empty caches, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(2 * 3600);

#[derive(Args)]
pub struct FirstRelease {
    /// Where its sources, its cache and what it compiles are kept [default: target/first-release]
    #[arg(long, value_name = "DIR")]
    work: Option<std::path::PathBuf>,
}

impl FirstRelease {
    pub fn run(self) -> Result<()> {
        let work = self.work.unwrap_or_else(|| workspace().join("target/first-release"));
        let work = std::path::absolute(work).context("the current directory is not known")?;
        let (repository, published) = (work.join("repository"), std::path::absolute(dist())?.join(DIRECTORY));
        check_out(&repository)?;
        files::create_dir(&published)?;
        Program::cargo("build the first release")?
            .args(["xtask", "build-swix", "--dist"])
            .arg(&published)
            .dir(&repository)
            .env("CARGO_TARGET_DIR", work.join("target"))
            // It does not know what later releases keep in theirs.
            .env("KOE_CACHE", work.join("cache"))
            .limit(LIMIT)
            .run_shown()
    }
}

/// A clone beside the user's own work, which shares its objects.
fn check_out(repository: &Path) -> Result<()> {
    let git = |purpose: &str| Program::new("git", purpose);
    if !repository.join(".git/HEAD").is_file() {
        if repository.exists() {
            fs::remove_dir_all(repository).with_context(|| format!("cannot remove {}", repository.display()))?;
        }
        let clone = git("clone this repository")?.args(["clone", "--quiet", "--shared", "--no-checkout"]);
        clone.arg(workspace()).arg(repository).read()?;
    }
    let checked_out = git("check the first release out")?.dir(repository);
    let words = ["checkout", "--quiet", "--force", "--detach", COMMIT];
    checked_out.args(words).read().map(drop).context("a shallow clone lacks it: `git fetch --unshallow` brings it")
}
