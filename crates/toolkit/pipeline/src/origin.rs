//! Which commit of this repository a build is of, and what of it no commit says: asked of git, without which a build goes on and
//! has no commit in its name.

use std::{path::Path, time::Duration};

use anyhow::Result;
use common::command::Program;

/// More than git takes on a slow disk.
const LIMIT: Duration = Duration::from_secs(60);

/// What counts besides the commit where its files are not as the commit has them.
const CHANGES: &str = "changes in the work tree";

/// What a build reads whole, files that git ignores, too.
const READ_WHOLE: [&str; 4] = ["crates", "patches", "recipes", "rootfs"];
const IGNORED: &str = "files that git ignores";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildOrigin {
    /// In full; none outside of git.
    pub commit: Option<String>,
    /// What a build also depends on, in words; there is no place of this machine in it.
    pub besides: Vec<String>,
}

impl BuildOrigin {
    /// Asks git about `workspace`. It fails where there is a repository that git does not tell of.
    pub fn of(workspace: &Path) -> Result<Self> {
        // One that is around it by chance has nothing to say of it.
        if !workspace.join(".git").exists() {
            return Ok(BuildOrigin::default());
        }
        let commit = git(workspace)?.args(["rev-parse", "--verify", "HEAD^{commit}"]).read()?.trim().to_owned();
        let status = ["--no-optional-locks", "-c", "core.fsmonitor=false", "status", "--porcelain"];
        let changes = git(workspace)?.args(status).arg("--untracked-files=normal").read()?;
        // What is built reads every file that is there.
        let ignored = git(workspace)?.args(status).args(["--ignored", "--"]).args(READ_WHOLE).read()?;
        let ignored = ignored.lines().any(|line| line.starts_with("!!"));
        let told = [(!changes.trim().is_empty(), CHANGES), (ignored, IGNORED)];
        let besides = told.into_iter().filter(|(is, _)| *is).map(|(_, what)| what.to_owned()).collect();
        Ok(BuildOrigin { commit: Some(commit), besides })
    }
}

/// Git as from a shell in that directory, also where this runs in a hook of another repository.
fn git(directory: &Path) -> Result<Program> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let of_a_hook = names.filter(|name| name.starts_with("GIT_") && !name.starts_with("GIT_CONFIG"));
    let git = Program::new("git", "tell which commit is built")?.limit(LIMIT).dir(directory).env("LC_ALL", "C");
    Ok(of_a_hook.fold(git, |git, name| git.env_remove(&name)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn run(directory: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgSign=false"];
        git(directory).unwrap().args(identity).args(arguments).read().unwrap();
    }

    fn repository() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        run(directory.path(), &["init", "--quiet"]);
        fs::write(directory.path().join(".gitignore"), "/dist\n").unwrap();
        run(directory.path(), &["add", "--all"]);
        run(directory.path(), &["commit", "--quiet", "--message", "first"]);
        directory
    }

    #[test]
    fn a_clean_work_tree_is_its_commit_and_an_edited_one_is_more() {
        let repository = repository();
        let of = || BuildOrigin::of(repository.path()).unwrap();
        let clean = of();
        assert_eq!(clean.commit.as_ref().map(String::len), Some(40));
        assert_eq!(clean.besides, [""; 0]);
        fs::create_dir(repository.path().join("dist")).unwrap();
        fs::write(repository.path().join("dist/a.swix"), "built").unwrap();
        assert_eq!(of(), clean, "what git ignores does not count");
        for (file, text) in [("new", "untracked"), (".gitignore", "/dist\n/new\n")] {
            fs::write(repository.path().join(file), text).unwrap();
            let BuildOrigin { commit, besides } = of();
            assert_eq!((commit, besides), (clean.commit.clone(), vec![CHANGES.to_owned()]), "{file}");
        }
        run(repository.path(), &["add", "--all"]);
        run(repository.path(), &["commit", "--quiet", "--message", "second"]);
        assert_ne!(of().commit, clean.commit);
        assert_eq!(of().besides, [""; 0]);
    }

    #[test]
    fn a_file_that_is_packed_counts_also_where_git_ignores_it() {
        let repository = repository();
        fs::write(repository.path().join(".git/info/exclude"), "*~\n").unwrap();
        fs::write(repository.path().join("notes~"), "not packed").unwrap();
        assert_eq!(BuildOrigin::of(repository.path()).unwrap().besides, [""; 0]);
        fs::create_dir_all(repository.path().join("rootfs/etc")).unwrap();
        fs::write(repository.path().join("rootfs/etc/secret~"), "packed").unwrap();
        assert_eq!(BuildOrigin::of(repository.path()).unwrap().besides, [IGNORED]);
    }

    #[test]
    fn without_a_repository_of_its_own_there_is_no_commit() {
        let around = repository();
        let inside = around.path().join("dist/unpacked");
        fs::create_dir_all(&inside).unwrap();
        assert_eq!(BuildOrigin::of(&inside).unwrap(), BuildOrigin::default());
    }

    #[test]
    fn a_repository_that_git_does_not_tell_of_is_an_error_with_git_s_reason() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(".git"), "gitdir: /nowhere\n").unwrap();
        let error = format!("{:#}", BuildOrigin::of(directory.path()).unwrap_err());
        assert!(error.contains("cannot tell which commit is built") && error.contains("/nowhere"), "{error}");
    }
}
