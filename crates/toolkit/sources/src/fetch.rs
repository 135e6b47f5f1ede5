//! Fetching: what the user gives, else what is in the store, else the origins in their order.
//!
//! 1. A source that the user gives is taken, and nothing else is asked.
//! 2. The first origin all of whose files are in the store, undamaged, is used with no network.
//! 3. The origins are asked in order. One that does not answer is passed over with a line that says
//!    so; one whose answer is not what is pinned ends it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use common::Progress;
use recipes::{DebianPackages, Https, LockedPackage, Name, Origin, OriginKind, Source};

use crate::{
    debian::Debian,
    error::{NoOrigin, Trouble},
    fetched::{Answer, BlobFile, Fetched, Form},
    git,
    https::{Client, Timeouts},
    local,
    store::Store,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FetchMode {
    #[default]
    Online,
    /// Only what is in the store.
    Offline,
}

/// Fetches sources into a store. One serves all threads of a run.
pub struct Fetcher<'a> {
    store: Store,
    progress: &'a dyn Progress,
    mode: FetchMode,
    only: Option<OriginKind>,
    timeouts: Timeouts,
    source_overrides: BTreeMap<Name, PathBuf>,
    client: OnceLock<Result<Client, String>>,
    debian: Debian,
    /// Hosts that could not be reached, and why: not tried again in this run.
    unreachable: Mutex<BTreeMap<String, String>>,
}

impl<'a> Fetcher<'a> {
    pub fn new(store: Store, progress: &'a dyn Progress) -> Self {
        Fetcher {
            debian: Debian::new(store.clone()),
            store,
            progress,
            mode: FetchMode::Online,
            only: None,
            timeouts: Timeouts::default(),
            source_overrides: BTreeMap::new(),
            client: OnceLock::new(),
            unreachable: Mutex::default(),
        }
    }

    pub fn mode(self, mode: FetchMode) -> Self {
        Fetcher { mode, ..self }
    }

    /// Uses origins of one kind only.
    pub fn only(self, only: Option<OriginKind>) -> Self {
        Fetcher { only, ..self }
    }

    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Fetcher { timeouts, ..self }
    }

    /// Takes a directory or an archive in place of the origins of the source of that name.
    pub fn override_source(mut self, name: Name, path: PathBuf) -> Self {
        self.source_overrides.insert(name, path);
        self
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the user gives for a source (`--source NAME=PATH`).
    pub fn source_override(&self, source: &Source) -> Option<&Path> {
        self.source_overrides.get(&source.name).map(PathBuf::as_path)
    }

    /// Refuses what the user gives for a source if it is something else: told before anything is fetched.
    pub fn check_source_override(&self, source: &Source) -> Result<()> {
        self.source_overrides.get(&source.name).map_or(Ok(()), |path| local::require(source, path))
    }

    /// Sees to it that the source is in the store, and tells what it consists of.
    pub fn fetch(&self, source: &Source) -> Result<Fetched> {
        if let Some(path) = self.source_overrides.get(&source.name) {
            return local::take(source, path, &self.store);
        }
        let origins = self.origins(source)?;
        for origin in &origins {
            if let Some(files) = self.in_store(origin, Look::Closely)? {
                return Ok(fetched(source, origin, files));
            }
        }
        let mut tried = Vec::new();
        for (index, origin) in origins.iter().enumerate() {
            let why = match self.mode {
                FetchMode::Offline => "not in the cache".to_owned(),
                FetchMode::Online => match self.ask(source, origin) {
                    Ok(files) => return Ok(fetched(source, origin, files)),
                    Err(Trouble::Stop(error)) => {
                        return Err(error.context(format!("cannot fetch {} {}", source.name, source.version)));
                    }
                    Err(Trouble::PassOver(why) | Trouble::OutOfReach(why)) => {
                        if index + 1 < origins.len() {
                            let line = why.lines().next().unwrap_or_default();
                            self.progress.note(&format!("{}: passing over {origin}: {line}", source.name));
                        }
                        why
                    }
                },
            };
            tried.push((origin.to_string(), why));
        }
        let hint = match self.mode {
            FetchMode::Offline => "run once without --offline, or give it with --source NAME=PATH",
            FetchMode::Online => {
                "check the network (proxy, mirror, Git's url.<base>.insteadOf), or give it with --source NAME=PATH"
            }
        };
        Err(NoOrigin { name: source.name.to_string(), version: source.version.clone(), tried, hint }.into())
    }

    /// The source as far as the store has it, by a quick look: what `fetch` would answer with no
    /// network, if nothing there is damaged. None for a source that the user gives: it may have changed.
    pub fn cached(&self, source: &Source) -> Result<Option<Fetched>> {
        if self.source_overrides.contains_key(&source.name) {
            return Ok(None);
        }
        for origin in self.origins(source)? {
            if let Some(files) = self.in_store(origin, Look::Quickly)? {
                return Ok(Some(fetched(source, origin, files)));
            }
        }
        Ok(None)
    }

    /// What is not in the store and would have to be fetched, for one list over all sources: the
    /// missing files of the origin that lacks the fewest.
    pub fn missing(&self, source: &Source) -> Result<Vec<String>> {
        if self.source_overrides.contains_key(&source.name) || self.cached(source)?.is_some() {
            return Ok(Vec::new());
        }
        let lacking = self.origins(source)?.into_iter().map(|origin| {
            let Some(files) = self.consists_of(origin) else { return vec![origin.to_string()] };
            let absent = files.iter().filter(|file| !self.store.has(&file.sha256));
            absent.map(|file| format!("{} of {origin}", file.name)).collect()
        });
        let fewest = lacking.min_by_key(Vec::len).unwrap_or_default();
        Ok(fewest.into_iter().map(|what| format!("{} {}: {what}", source.name, source.version)).collect())
    }

    /// What the suites that move have now of what such an origin names: what its lock file would say.
    pub fn newest(&self, origin: &DebianPackages) -> Result<Vec<LockedPackage>> {
        match self.debian.choose(origin) {
            Ok(chosen) => Ok(chosen.into_iter().map(|(package, _)| package).collect()),
            Err(Trouble::PassOver(why) | Trouble::OutOfReach(why)) => bail!(why),
            Err(Trouble::Stop(error)) => Err(error),
        }
    }

    fn origins<'s>(&self, source: &'s Source) -> Result<Vec<&'s Origin>> {
        let allowed = |origin: &&Origin| self.only.is_none_or(|kind| origin.kind() == kind);
        let origins: Vec<&Origin> = source.origins.iter().filter(allowed).collect();
        let kinds = || source.origins.iter().map(|origin| origin.kind().to_string()).collect::<Vec<_>>().join(", ");
        let desired = || self.only.map(|kind| format!(" of kind {kind}")).unwrap_or_default();
        ensure!(!origins.is_empty(), "{} has no origin{}: it has {}", source.name, desired(), kinds());
        Ok(origins)
    }

    /// The files of an origin, as far as they can be known without asking it. Sizes are those in the store.
    fn consists_of(&self, origin: &Origin) -> Option<Vec<BlobFile>> {
        let mut files = match origin {
            Origin::Https(https) => {
                vec![BlobFile { name: file_name(https).to_owned(), sha256: https.sha256, size: 0, package: None }]
            }
            Origin::Git(origin) => vec![git::recorded(&self.store, &origin.commit)?],
            Origin::DebianSource(source) => Debian::source_files(source),
            Origin::DebianPackages(packages) => self.debian.package_files(packages)?,
        };
        for file in &mut files {
            file.size = self.store.size(&file.sha256).unwrap_or(0);
        }
        Some(files)
    }

    fn in_store(&self, origin: &Origin, look: Look) -> Result<Option<Vec<BlobFile>>> {
        let Some(files) = self.consists_of(origin) else { return Ok(None) };
        if !files.iter().all(|file| self.store.has(&file.sha256)) {
            return Ok(None);
        }
        // Every file is looked at, so that all damaged ones are fetched again at once.
        let mut whole = true;
        for file in files.iter().filter(|_| look == Look::Closely) {
            whole &= self.store.open_verified(&file.sha256)?.is_some();
        }
        Ok(whole.then_some(files))
    }

    fn ask(&self, source: &Source, origin: &Origin) -> Result<Vec<BlobFile>, Trouble> {
        let name = source.name.to_string();
        match origin {
            Origin::Https(https) => {
                let client = self.client.get_or_init(|| Client::new(self.timeouts.clone()));
                let client = client.as_ref().map_err(|why| Trouble::PassOver(why.clone()))?;
                self.reach(&https.url, || client.download(&https.url, &https.sha256, &name, &self.store, self.progress))
            }
            Origin::Git(origin) => {
                let url = git::effective_url(&origin.url);
                let asked = self.reach(&url, || git::fetch(origin, &name, &self.store, self.progress));
                if url == origin.url { asked } else { asked.map_err(|trouble| trouble.said_by(&url)) }
            }
            Origin::DebianSource(package) => self.debian.fetch_source(package, &name, self.progress),
            Origin::DebianPackages(packages) => self.debian.fetch_packages(packages, &name, self.progress),
        }?;
        let files = self.consists_of(origin).filter(|files| files.iter().all(|file| self.store.has(&file.sha256)));
        let gone = || anyhow!("what {origin} gave is not in the store: another process may be clearing the cache");
        Ok(files.with_context(gone)?)
    }

    /// Asks a host unless it was out of reach before.
    fn reach(&self, url: &str, ask: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
        let host = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()).map(str::to_owned);
        let Some(host) = host.filter(|host| !host.is_empty()) else { return ask() };
        let known = |host: &str| self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        if let Some(why) = known(&host) {
            return Err(Trouble::PassOver(format!("{host} was out of reach before: {why}")));
        }
        let result = ask();
        if let Err(Trouble::OutOfReach(why)) = &result {
            self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).insert(host, why.clone());
        }
        result
    }
}

/// How a blob in the store is looked at.
#[derive(PartialEq, Clone, Copy)]
enum Look {
    /// That it is there.
    Quickly,
    /// By its digest.
    Closely,
}

fn fetched(source: &Source, origin: &Origin, files: Vec<BlobFile>) -> Fetched {
    Fetched {
        name: source.name.clone(),
        version: source.version.clone(),
        answer: Answer::of(origin, &files),
        form: Form::of(origin),
        files,
    }
}

fn file_name(https: &Https) -> &str {
    https.url.rsplit('/').next().unwrap_or(&https.url)
}
