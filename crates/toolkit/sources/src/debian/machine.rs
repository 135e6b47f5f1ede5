//! The package sources of this machine, as its administrator wrote them: both of apt's forms.

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::command::Program;

use super::deb822::{self, Stanza};
use crate::error::Trouble;

/// One mirror with the suites and components that are taken from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) uris: Vec<String>,
    pub(crate) suites: Vec<String>,
    pub(crate) components: Vec<String>,
    /// Empty: whatever apt's default is.
    pub(crate) architectures: Vec<String>,
    /// How it is trusted and reached, in the newer form's words: Signed-By, Check-Valid-Until, …
    pub(crate) options: Vec<(String, String)>,
}

/// Fields that the private configuration sets itself, or that change nothing here; and those by which apt would take what
/// nobody has signed.
const NOT_OPTIONS: [&str; 20] = [
    "types",
    "uris",
    "suites",
    "components",
    "architectures",
    "architectures-add",
    "architectures-remove",
    "languages",
    "languages-add",
    "languages-remove",
    "targets",
    "targets-add",
    "targets-remove",
    "pdiffs",
    "enabled",
    "description",
    "trusted",
    "allow-insecure",
    "allow-weak",
    "allow-downgrade-to-insecure",
];

/// Reads the files that apt itself would read.
pub(crate) fn entries() -> Result<Vec<Entry>, Trouble> {
    let list = setting("Dir::Etc::sourcelist/f")?;
    let mut files = vec![list];
    let parts = setting("Dir::Etc::sourceparts/d")?;
    let mut inside: Vec<PathBuf> =
        fs::read_dir(parts).into_iter().flatten().flatten().map(|file| file.path()).collect();
    inside.sort();
    files.extend(inside);
    // A file that this user may not read is one that apt would not use for this user either.
    let read = |path: &PathBuf| fs::read_to_string(path).map(|text| parse(path, &text)).unwrap_or_default();
    Ok(files.iter().flat_map(read).collect())
}

/// The suites that they name, each once, in their order.
pub(crate) fn suites(entries: &[Entry]) -> Vec<String> {
    let mut suites: Vec<String> = Vec::new();
    for suite in entries.iter().flat_map(|entry| &entry.suites) {
        if !suites.contains(suite) {
            suites.push(suite.clone());
        }
    }
    suites
}

/// A path out of apt's own configuration.
pub(crate) fn setting(name: &str) -> Result<PathBuf, Trouble> {
    let program = Program::new("apt-config", "find the package sources of this machine")?;
    let text = program.args(["shell", "VALUE", name]).read().map_err(Trouble::of_tool)?;
    let value = text.trim().strip_prefix("VALUE='").and_then(|rest| rest.strip_suffix('\''));
    value.map(PathBuf::from).ok_or_else(|| Trouble::PassOver(format!("this machine's apt has no setting {name}")))
}

fn parse(path: &Path, text: &str) -> Vec<Entry> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("list") => text.lines().filter_map(one_line).collect(),
        Some("sources") => deb822::parse(text).iter().filter_map(stanza).collect(),
        _ => Vec::new(),
    }
}

/// `deb [arch=amd64 signed-by=/path] URI SUITE COMPONENT…`
fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb-src").or(line.strip_prefix("deb"))?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let (options, rest) = match rest.trim_start().strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let mut entry = Entry {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        architectures: Vec::new(),
        options: Vec::new(),
    };
    for (name, value) in options.split_whitespace().filter_map(|option| option.split_once('=')) {
        let value = value.replace(',', " ");
        // In this form apt takes them in lower case alone, and in the one that is written from them in any case.
        match name.to_lowercase().as_str() {
            "arch" => entry.architectures = value.split(' ').map(str::to_owned).collect(),
            "lang" | "target" => {}
            name if NOT_OPTIONS.contains(&name) || name.ends_with(['+', '-']) => {}
            _ => entry.options.push((name.to_owned(), value)),
        }
    }
    Some(entry)
}

fn stanza(stanza: &Stanza) -> Option<Entry> {
    if stanza.get("Enabled").is_some_and(|value| ["no", "false", "0", "off"].contains(&value.to_lowercase().as_str())) {
        return None;
    }
    let is_option = |name: &str| {
        let name = name.to_lowercase();
        !NOT_OPTIONS.contains(&name.as_str()) && !name.starts_with("x-")
    };
    Some(Entry {
        uris: stanza.words("URIs"),
        suites: stanza.words("Suites"),
        components: stanza.words("Components"),
        architectures: stanza.words("Architectures"),
        options: stanza.fields.iter().filter(|(name, _)| is_option(name)).cloned().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Entry> {
        parse(Path::new("x.list"), text)
    }

    fn sources(text: &str) -> Vec<Entry> {
        parse(Path::new("x.sources"), text)
    }

    #[test]
    fn both_forms_of_the_same_source_read_the_same() {
        let line = "deb [arch=amd64,i386 signed-by=/keys/a.gpg] http://mirror.example/debian bookworm main contrib # x";
        let stanza = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main contrib\n\
                      Architectures: amd64 i386\nsigned-by: /keys/a.gpg\nX-Repolib-Name: x\n";
        assert_eq!(list(line), sources(stanza));
        assert_eq!(list(line)[0].architectures, ["amd64", "i386"]);
    }

    #[test]
    fn nothing_unsigned_is_taken_whatever_the_machine_allows() {
        let line =
            "deb [trusted=yes allow-insecure=yes signed-by=/keys/a.gpg] http://mirror.example/debian bookworm main";
        let stanza = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\nTrusted: yes\n\
                      Allow-Weak: yes\nAllow-Downgrade-To-Insecure: yes\nSigned-By: /keys/a.gpg\n";
        let in_capitals = line.replace("trusted", "Trusted").replace("allow-insecure", "Allow-Insecure");
        for entries in [list(line), list(&in_capitals), sources(stanza)] {
            assert_eq!(entries[0].options.len(), 1, "{entries:?}");
            assert_eq!(entries[0].options[0].1, "/keys/a.gpg");
        }
    }

    #[test]
    fn what_is_switched_off_is_left_out() {
        assert!(list("# deb http://mirror.example/debian bookworm main\n").is_empty());
        assert!(list("debian is not an entry\n").is_empty());
        assert!(sources("Enabled: no\nTypes: deb\nURIs: http://mirror.example\nSuites: bookworm\n").is_empty());
        assert!(parse(Path::new("x.list.disabled"), "deb http://mirror.example bookworm main").is_empty());
    }

    #[test]
    fn a_key_written_into_the_file_is_kept_whole() {
        let entry =
            &sources("Types: deb\nURIs: http://m.example\nSuites: bookworm\nSigned-By:\n -----BEGIN\n .\n x=\n")[0];
        assert_eq!(entry.options, [("Signed-By".to_owned(), "\n -----BEGIN\n .\n x=".to_owned())]);
    }
}
