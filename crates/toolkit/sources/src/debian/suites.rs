//! The indexes of this machine's mirrors, each read once a run, and what they have on offer.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::{
    config::{Apt, Index},
    deb822::{self, Stanza},
    derived::derive,
    machine::{self, Entry},
};
use crate::error::Trouble;

type Ready = Arc<OnceLock<Result<Vec<Arc<Apt>>, String>>>;

#[derive(Default)]
pub(crate) struct Suites {
    directory: PathBuf,
    ready: Mutex<BTreeMap<(String, Index), Ready>>,
}

/// One version of a package that a mirror has.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) suite: String,
    pub(crate) apt: Arc<Apt>,
    pub(crate) stanza: Stanza,
}

impl Offer {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.stanza.get(name).unwrap_or_default()
    }
}

impl Suites {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Suites { directory, ready: Mutex::default() }
    }

    /// Every version of these packages in one index of a suite, the newest of each mirror first.
    pub(crate) fn offers(&self, suite: &str, index: &Index, names: &[String]) -> Result<Vec<Offer>, Trouble> {
        let query = match index {
            Index::Binary { .. } => "show",
            Index::Source => "showsrc",
        };
        let mut offers = Vec::new();
        for apt in self.updated(suite, index)? {
            let stanzas = deb822::parse(&apt.cache(query, names)?);
            let offer = |stanza| Offer { suite: suite.to_owned(), apt: apt.clone(), stanza };
            offers.extend(stanzas.into_iter().map(offer));
        }
        Ok(offers)
    }

    /// The configurations of all mirrors that have that index, updated the first time.
    pub(crate) fn updated(&self, suite: &str, index: &Index) -> Result<Vec<Arc<Apt>>, Trouble> {
        let key = (suite.to_owned(), index.clone());
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let mut stopped = None;
        let result = ready.get_or_init(|| match self.update(suite, index) {
            Ok(apts) => Ok(apts),
            Err(Trouble::PassOver(why) | Trouble::OutOfReach(why)) => Err(why),
            Err(Trouble::Stop(error)) => {
                let why = format!("{error:#}");
                stopped = Some(error);
                Err(why)
            }
        });
        match stopped {
            Some(error) => Err(Trouble::Stop(error)),
            None => result.clone().map_err(Trouble::PassOver),
        }
    }

    fn update(&self, suite: &str, index: &Index) -> Result<Vec<Arc<Apt>>, Trouble> {
        let named = machine::entries()?;
        let usable = usable(&named);
        let mut chosen = choose(&usable, suite, index);
        let (mut apts, mut failed) = (Vec::new(), Vec::new());
        if chosen.is_empty() {
            failed.push(unnamed(&named, suite));
            chosen = derive(&usable, suite);
        }
        for entry in &chosen {
            let apt = Apt::prepare(&self.directory, entry, suite, index)?;
            match apt.update() {
                Ok(()) => apts.push(Arc::new(apt)),
                Err(Trouble::PassOver(why)) => failed.push(why),
                Err(stop) => return Err(stop),
            }
        }
        if apts.is_empty() { Err(Trouble::PassOver(failed.join("\n"))) } else { Ok(apts) }
    }
}

/// The entries that packages can be taken from.
pub(super) fn usable(named: &[Entry]) -> Vec<Entry> {
    let is_there = |uri: &String| !uri.starts_with("cdrom:");
    let has_component = |entry: &&Entry| entry.components.iter().any(|name| name == super::COMPONENT);
    named.iter().filter(has_component).filter(|entry| entry.uris.iter().all(is_there)).cloned().collect()
}

/// The mirrors of a suite, each once: first those that are said to have the architecture.
fn choose(usable: &[Entry], suite: &str, index: &Index) -> Vec<Entry> {
    let mut chosen: Vec<Entry> = Vec::new();
    for entry in usable.iter().filter(|entry| entry.suites.iter().any(|name| name == suite)) {
        if !chosen.iter().any(|known| known.uris == entry.uris) {
            chosen.push(entry.clone());
        }
    }
    if let Index::Binary { arch } = index {
        chosen.sort_by_key(|entry| !entry.architectures.is_empty() && !entry.architectures.contains(arch));
    }
    chosen
}

/// What is said before what Debian's mirror says, if there is one.
fn unnamed(named: &[Entry], suite: &str) -> String {
    let mut named = machine::suites(named);
    named.sort();
    let named = if named.is_empty() { "there are none".to_owned() } else { format!("they name {}", named.join(", ")) };
    format!(
        "this machine's apt sources name no suite {suite} with component {}: {named}; \
         use --in-docker, or another origin",
        super::COMPONENT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uri: &str, suites: &[&str], architectures: &[&str]) -> Entry {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let architectures = owned(architectures);
        let components = vec!["main".to_owned()];
        Entry { uris: vec![uri.to_owned()], suites: owned(suites), components, architectures, options: Vec::new() }
    }

    #[test]
    fn a_suite_that_the_machine_does_not_have_is_named_with_those_that_it_has() {
        let entries = vec![entry("http://m.example/debian", &["trixie", "trixie-updates"], &[])];
        assert_eq!(choose(&entries, "bookworm", &Index::Source), []);
        let error = unnamed(&entries, "bookworm");
        assert!(error.contains("no suite bookworm") && error.contains("they name trixie, trixie-updates"), "{error}");
        assert!(error.contains("--in-docker"), "{error}");
    }

    #[test]
    fn a_mirror_is_used_once_and_one_with_the_architecture_first() {
        let entries = vec![
            entry("http://a.example", &["bookworm"], &["arm64"]),
            entry("http://b.example", &["bookworm"], &[]),
            entry("http://b.example", &["bookworm"], &[]),
        ];
        let chosen = choose(&entries, "bookworm", &Index::Binary { arch: "i386".into() });
        let uris: Vec<&str> = chosen.iter().map(|entry| entry.uris[0].as_str()).collect();
        assert_eq!(uris, ["http://b.example", "http://a.example"]);
    }
}
