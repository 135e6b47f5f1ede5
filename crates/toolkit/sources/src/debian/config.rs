//! A private apt: its own directory for everything that apt writes, one index of one suite of one mirror,
//! and nothing of the machine's own state touched. No root is needed.
//!
//! The machine's configuration is read first, so that its proxy, its credentials and its keys count;
//! the private one comes after it and takes out the hooks. One index apiece, because an index that
//! fails to download spoils a whole update.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use anyhow::Result;
use common::{
    Sha256,
    command::{LONG, Program},
    files,
    lock::{After, Lock},
};

use super::machine::Entry;
use crate::error::Trouble;

/// Which list of packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Index {
    Binary { arch: String },
    Source,
}

/// One private configuration.
#[derive(Debug)]
pub(crate) struct Apt {
    directory: PathBuf,
}

/// What apt may not run, and settings that are lists and would only grow.
const CLEARED: [&str; 6] = [
    "APT::Update::Pre-Invoke",
    "APT::Update::Post-Invoke",
    "APT::Update::Post-Invoke-Success",
    "APT::Update::Post-Invoke-Stats",
    "DPkg::Post-Invoke",
    "APT::Architectures",
];

impl Apt {
    /// Writes the configuration for one index of `suite` from the mirror of `entry` below `parent`.
    pub(crate) fn prepare(parent: &Path, entry: &Entry, suite: &str, index: &Index) -> Result<Self> {
        let sources = sources(entry, suite, index);
        let arch = match index {
            Index::Binary { arch } => arch,
            Index::Source => "amd64",
        };
        let directory = parent.join(Sha256::of_bytes(format!("{arch}\n{sources}")).short());
        for below in ["lists/partial", "archives/partial", "sources"] {
            files::create_dir(&directory.join(below))?;
        }
        files::write_atomically(&directory.join("status"), "")?;
        files::write_atomically(&directory.join("sources/only.sources"), sources)?;
        files::write_atomically(&directory.join("apt.conf"), configuration(&directory, arch))?;
        Ok(Apt { directory })
    }

    /// Downloads the index, or sees that the one from before is still the newest.
    pub(crate) fn update(&self) -> Result<(), Trouble> {
        let _lock = Lock::acquire(&self.directory.join("update.lock"), After::Removed, |_| {})?;
        let failed = match self.try_update("0")? {
            Some(why) if !why.contains("Could not resolve") && !why.contains("Could not connect") => {
                self.try_update("2")?
            }
            result => result,
        };
        failed.map_or(Ok(()), |why| Err(Trouble::PassOver(why)))
    }

    /// Why it failed, if it did.
    fn try_update(&self, retries: &str) -> Result<Option<String>, Trouble> {
        let update = self.get("read Debian's list of packages").map_err(Trouble::of_tool)?;
        let mut update = update.args(["-o", &format!("Acquire::Retries={retries}"), "update"]);
        let output = update.output().map_err(Trouble::of_tool)?;
        Ok((!output.status.success()).then(|| errors(&output.stderr)))
    }

    pub(crate) fn get(&self, purpose: &str) -> Result<Program> {
        self.program("apt-get", purpose)
    }

    /// The text of a query. A name that apt does not know is no error: it is not in the answer.
    pub(crate) fn cache(&self, query: &str, names: &[String]) -> Result<String, Trouble> {
        let program = self.program("apt-cache", "look up Debian packages")?.arg(query).args(names);
        let output = { program }.output().map_err(Trouble::of_tool)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// apt with this configuration, for a program that is told where it is.
    pub(crate) fn program(&self, name: impl AsRef<std::ffi::OsStr>, purpose: &str) -> Result<Program> {
        let program =
            Program::new(name, purpose)?.limit(LONG).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        Ok(program.arg(format!("-c={}", self.directory.join("apt.conf").display())))
    }
}

/// The lines by which apt says what is wrong, without its remarks about other things.
pub(crate) fn errors(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let told = |line: &&str| line.starts_with("E: ") || line.starts_with("W: GPG") || line.starts_with("   ");
    let vague = |line: &str| line.contains("Some index files failed to download");
    let lines: Vec<&str> = text.lines().filter(told).filter(|line| !vague(line)).map(str::trim).collect();
    if lines.is_empty() { text.trim().to_owned() } else { lines.join("; ") }
}

fn sources(entry: &Entry, suite: &str, index: &Index) -> String {
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    };
    match index {
        Index::Binary { arch } => {
            field("Types", "deb");
            field("Architectures", arch);
            field("Targets", "Packages");
        }
        Index::Source => {
            field("Types", "deb-src");
            field("Targets", "Sources");
        }
    }
    field("URIs", &entry.uris.join(" "));
    field("Suites", suite);
    field("Components", super::COMPONENT);
    for (name, value) in &entry.options {
        field(name, value);
    }
    text
}

fn configuration(directory: &Path, arch: &str) -> String {
    let mut text: String = CLEARED.iter().map(|name| format!("#clear {name};\n")).collect();
    let inside = |name: &str| directory.join(name).display().to_string();
    let settings = [
        ("APT::Architecture", arch.to_owned()),
        ("APT::Architectures::", arch.to_owned()),
        // As root, apt would download as a user of its own, who may not be able to reach the cache.
        ("APT::Sandbox::User", "root".into()),
        ("APT::Update::Error-Mode", "any".into()),
        ("APT::Default-Release", String::new()),
        ("Dir::State", inside("")),
        ("Dir::State::lists", inside("lists")),
        ("Dir::State::status", inside("status")),
        ("Dir::State::extended_states", inside("extended_states")),
        ("Dir::Cache", inside("")),
        ("Dir::Cache::archives", inside("archives")),
        ("Dir::Cache::pkgcache", inside("pkgcache.bin")),
        ("Dir::Cache::srcpkgcache", String::new()),
        ("Dir::Etc::sourcelist", "/dev/null".into()),
        ("Dir::Etc::sourceparts", inside("sources")),
        ("Dir::Etc::preferences", "/dev/null".into()),
        ("Dir::Etc::preferencesparts", "/dev/null".into()),
        ("Acquire::AllowInsecureRepositories", "false".into()),
        ("Acquire::AllowWeakRepositories", "false".into()),
        ("Acquire::AllowDowngradeToInsecureRepositories", "false".into()),
        ("APT::Get::AllowUnauthenticated", "false".into()),
        ("Acquire::GzipIndexes", "false".into()),
        ("Acquire::Languages", "none".into()),
        ("Acquire::http::Timeout", "20".into()),
        ("Acquire::https::Timeout", "20".into()),
    ];
    for (name, value) in settings {
        let _ = writeln!(text, "{name} \"{value}\";");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_suite_and_index_of_a_mirror_are_used_and_its_key_is_kept() {
        let entry = Entry {
            uris: vec!["http://mirror.example/debian".into()],
            suites: vec!["bookworm".into(), "bookworm-updates".into()],
            components: vec!["main".into(), "contrib".into()],
            architectures: Vec::new(),
            options: vec![("Signed-By".into(), "/keys/a.gpg".into())],
        };
        let text = sources(&entry, "bookworm", &Index::Binary { arch: "i386".into() });
        assert_eq!(
            text,
            "Types: deb\nArchitectures: i386\nTargets: Packages\nURIs: http://mirror.example/debian\n\
             Suites: bookworm\nComponents: main\nSigned-By: /keys/a.gpg\n"
        );
    }

    #[test]
    fn apt_s_errors_are_told_without_its_remarks() {
        let text = b"W: Target Packages is configured twice\nE: Failed to fetch http://x  Could not resolve 'x'\n\
                     E: Some index files failed to download. They have been ignored, or old ones used instead.\n";
        assert_eq!(errors(text), "E: Failed to fetch http://x  Could not resolve 'x'");
    }
}
