//! One commit of a repository, fetched shallowly by the host's git and kept as an archive of its tree.
//!
//! The user's own git configuration counts (`url.<base>.insteadOf` is how a mirror is used). Git
//! checks every object against the commit; what the attributes in the tree would change on the way
//! into an archive is switched off, so that the archive is the tree and the same everywhere.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use common::{
    Progress,
    command::{Failure, LONG, Program},
    files,
    lock::{After, Lock},
    progress::Unit,
};
use recipes::{Commit, Git};
use serde::{Deserialize, Serialize};

use crate::{error::Trouble, fetched::BlobFile, store::Store, watch::watch};

/// How long a repository may take to say that it is there; git itself waits for minutes where a firewall swallows its packets.
const ANSWER: Duration = Duration::from_secs(20);

/// What is known of a commit that has been fetched.
#[derive(Serialize, Deserialize)]
struct Record {
    url: String,
    archive: BlobFile,
}

/// git, reading nothing of the repository that this process may run in.
pub(crate) fn git(purpose: &str) -> Result<Program> {
    let own = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_PREFIX"];
    let program = own.into_iter().fold(Program::new("git", purpose)?, Program::env_remove);
    Ok(program.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ATTR_NOSYSTEM", "1").env("LC_ALL", "C"))
}

/// git on a bare repository of ours. It is named, as `safe.bareRepository=explicit` wants it.
fn git_in(repository: &Path, purpose: &str) -> Result<Program> {
    let mut named = std::ffi::OsString::from("--git-dir=");
    named.push(repository);
    Ok(git(purpose)?.arg(named))
}

/// The URL that git really uses, by the user's `url.<base>.insteadOf`.
pub(crate) fn effective_url(url: &str) -> String {
    let asked = git("tell which mirror is used").and_then(|git| git.args(["ls-remote", "--get-url", "--", url]).read());
    asked.map_or_else(|_| url.to_owned(), |effective| effective.trim().to_owned())
}

/// The archive of that commit, if it has been fetched before.
pub(crate) fn recorded(store: &Store, commit: &Commit) -> Option<BlobFile> {
    let text = fs::read(record_path(store, commit)).ok()?;
    serde_json::from_slice::<Record>(&text).ok().map(|record| record.archive)
}

/// Sees to it that the commit's archive is in the store and recorded.
pub(crate) fn fetch(origin: &Git, name: &str, store: &Store, progress: &dyn Progress) -> Result<(), Trouble> {
    let commit = &origin.commit;
    let repository = store.directory("git").join(format!("{commit}.git"));
    let _lock = Lock::acquire(&store.directory("git").join(format!("{commit}.lock")), After::Removed, |_| {})?;
    if recorded(store, commit).is_some_and(|archive| store.has(&archive.sha256)) {
        return Ok(()); // another run fetched it while this one waited
    }
    answers(&origin.url)?;
    // A git that was killed leaves locks behind, and nothing that it could go on from.
    files::remove_tree(&repository)?;
    let task = progress.start(name, Unit::Bytes, None);
    task.doing("fetching the commit");
    watch(&*task, || files::tree_size(&repository), || fetch_commit(origin, &repository))?;
    task.doing("making an archive of it");
    archive(origin, &repository, store)?;
    Ok(files::remove_tree(&repository)?)
}

fn record_path(store: &Store, commit: &Commit) -> std::path::PathBuf {
    store.directory("git").join(format!("{commit}.json"))
}

/// Asks for one ref, which tells an absent host or repository from one that lacks the commit.
fn answers(url: &str) -> Result<(), Trouble> {
    let mut asking =
        git("fetch from Git repositories")?.limit(ANSWER).args(["ls-remote", "--quiet", "--", url, "HEAD"]);
    let output = asking.output().map_err(|error| match error.downcast_ref() {
        Some(Failure::AtLimit { .. }) => Trouble::OutOfReach(format!("no answer in {} seconds", ANSWER.as_secs())),
        _ => Trouble::of_tool(error),
    })?;
    match output.status.code() {
        Some(0) => Ok(()),
        _ => {
            let why = said(&output.stderr);
            let dead = ["resolve host", "connect to", "timed out", "refused"].iter().any(|sign| why.contains(sign));
            Err(if dead { Trouble::OutOfReach(why) } else { Trouble::PassOver(why) })
        }
    }
}

/// What git said on its way out, without its advice.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let blame = text.lines().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
    blame.or(text.lines().last()).unwrap_or("git failed and did not say why").to_owned()
}

fn fetch_commit(origin: &Git, repository: &Path) -> Result<(), Trouble> {
    let commit: &str = &origin.commit;
    git("make a repository")?.args(["init", "--quiet", "--bare", "--template="]).arg(repository).read()?;
    let fetch = |specs: &[&str]| -> Result<std::process::Output> {
        let slow = ["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "gc.auto=0"];
        let program =
            git_in(repository, "fetch a commit")?.limit(LONG).args(slow).args(["fetch", "--quiet", "--no-tags"]);
        program.args(specs).output()
    };
    if !fetch(&["--depth=1", "--", &origin.url, commit])?.status.success() {
        // Some servers give out only what a branch or tag points at: take those whole.
        let all = fetch(&["--", &origin.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])?;
        if !all.status.success() {
            return Err(Trouble::PassOver(said(&all.stderr)));
        }
    }
    let verify = ["rev-parse", "--verify", "--quiet", &format!("{commit}^{{commit}}")];
    let found = git_in(repository, "verify a commit")?.args(verify).output()?;
    if String::from_utf8_lossy(&found.stdout).trim() == commit {
        return Ok(());
    }
    // Git gives no other commit in its place, so that the next origin may be asked.
    let why =
        "none of its branches and tags has the commit: a mirror that is stale or shallow, or a wrong pin in the recipe";
    Err(Trouble::PassOver(why.to_owned()))
}

fn archive(origin: &Git, repository: &Path, store: &Store) -> Result<()> {
    let commit: &str = &origin.commit;
    // Highest in git's order, above any .gitattributes: no line ends, keywords, filters or omissions.
    let plain = "* -export-subst -export-ignore -text -eol -ident -filter -working-tree-encoding\n";
    files::create_dir(&repository.join("info"))?;
    files::write_atomically(&repository.join("info/attributes"), plain)?;
    let file = store.scratch()?;
    let archive = git_in(repository, "make an archive of a commit")?.args(["-c", "tar.umask=0022", "archive"]);
    archive.args(["--format=tar", "-o"]).arg(file.path()).arg(commit).read()?;
    let (sha256, size) = store.add(file.path())?;
    let archive = BlobFile { name: format!("{commit}.tar"), sha256, size, package: None };
    let record = serde_json::to_vec_pretty(&Record { url: origin.url.clone(), archive })?;
    files::write_atomically(&record_path(store, &origin.commit), record).context("cannot record a commit")
}
