//! A suite that this machine's apt does not name, from the Debian mirror that it does name: the same server, and Debian's own
//! keys. Whoever else's repository is named is not asked for it, nor believed.

use std::path::Path;

use super::machine::Entry;

/// Where Debian's package of its keys has them, by the names that it had and has.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// The mirrors that may have the suite.
pub(super) fn derive(named: &[Entry], suite: &str) -> Vec<Entry> {
    let keyring = KEYRINGS.into_iter().find(|keyring| Path::new(keyring).is_file());
    keyring.map_or_else(Vec::new, |keyring| with_keyring(named, suite, keyring))
}

fn with_keyring(named: &[Entry], suite: &str, keyring: &str) -> Vec<Entry> {
    // Debian has security updates on a server of their own.
    let is_security = |suite: &str| suite.ends_with("-security");
    let is_alike = |entry: &&Entry| entry.suites.iter().any(|other| is_security(other) == is_security(suite));
    let mut derived: Vec<Entry> = Vec::new();
    for entry in named.iter().filter(is_alike).filter(|entry| is_debian_s(entry)) {
        if derived.iter().any(|known| known.uris == entry.uris) {
            continue;
        }
        let is_other = |(name, _): &&(String, String)| !is_key(name);
        let mut options: Vec<(String, String)> = entry.options.iter().filter(is_other).cloned().collect();
        options.push(("Signed-By".to_owned(), keyring.to_owned()));
        derived.push(Entry { suites: vec![suite.to_owned()], options, ..entry.clone() });
    }
    derived
}

/// An entry that says who signs it is Debian's by its keyring; of one that does not, the signature will tell.
fn is_debian_s(entry: &Entry) -> bool {
    let key = entry.options.iter().find(|(name, _)| is_key(name));
    key.is_none_or(|(_, key)| key.contains("debian-archive-"))
}

fn is_key(option: &str) -> bool {
    option.eq_ignore_ascii_case("signed-by")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uri: &str, suites: &[&str], key: Option<&str>) -> Entry {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let mut options = vec![("Check-Valid-Until".to_owned(), "no".to_owned())];
        options.extend(key.map(|key| ("signed-by".to_owned(), key.to_owned())));
        let components = vec!["main".to_owned()];
        Entry { uris: vec![uri.to_owned()], suites: owned(suites), components, architectures: vec![], options }
    }

    #[test]
    fn a_suite_is_derived_from_debian_s_mirror_alone_and_believed_by_debian_s_key_alone() {
        let debian = Some("/usr/share/keyrings/debian-archive-keyring.gpg");
        let named = [
            entry("http://m.example/debian", &["bookworm", "bookworm-updates"], debian),
            entry("http://m.example/debian-security", &["bookworm-security"], debian),
            entry("http://other.example/apt", &["stable"], Some("/usr/share/keyrings/other.gpg")),
            entry("http://old.example/debian", &["bookworm"], None),
            entry("http://m.example/debian", &["bookworm-backports"], debian),
        ];
        let uris = |suite: &str| {
            let derived = with_keyring(&named, suite, "/keys/debian.gpg");
            for entry in &derived {
                assert_eq!(entry.suites, [suite]);
                let keys: Vec<_> = entry.options.iter().filter(|(name, _)| is_key(name)).collect();
                assert_eq!(keys, [&("Signed-By".to_owned(), "/keys/debian.gpg".to_owned())]);
                assert!(entry.options.iter().any(|(name, _)| name == "Check-Valid-Until"));
            }
            derived.iter().map(|entry| entry.uris[0].clone()).collect::<Vec<_>>()
        };
        assert_eq!(uris("trixie-backports"), ["http://m.example/debian", "http://old.example/debian"]);
        assert_eq!(uris("trixie-security"), ["http://m.example/debian-security"]);
    }
}
