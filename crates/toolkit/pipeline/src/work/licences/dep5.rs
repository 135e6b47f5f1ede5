//! Debian's copyright files, in the form that DEP-5 gave them: which licence a package is under, and which texts they name in
//! place of giving them.

use super::common_licenses;

/// Debian's short name, SPDX' identifier.
const NAMES: [(&str, &str); 9] = [
    ("apache-2.0", "Apache-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsl-1.0", "BSL-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("expat", "MIT"),
    ("isc", "ISC"),
    ("mit", "MIT"),
    ("mpl-2.0", "MPL-2.0"),
];

/// A paragraph: what it is about if it is about files, its licence's name, all of it.
struct Paragraph<'a> {
    files: Option<&'a str>,
    licence: &'a str,
    text: &'a str,
}

fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    text.split("\n\n").filter_map(|text| {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Paragraph { files: field("Files:"), licence: field("License:")?, text })
    })
}

/// The licence of the upstream files that no other paragraph is about, as an SPDX expression; none where Debian has a name of its
/// own for it.
pub(super) fn stated(text: &str) -> Option<String> {
    let whole = paragraphs(text).find(|paragraph| paragraph.files == Some("*"))?;
    let spdx = |word: &str| match word {
        "and" => Some("AND"),
        "or" => Some("OR"),
        name => {
            // `BSD-3-clause~Google` has Google's name in the text.
            let name = name.split('~').next().unwrap_or(name);
            NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, spdx)| *spdx)
        }
    };
    let words: Option<Vec<&str>> = whole.licence.split_whitespace().map(spdx).collect();
    words.filter(|words| !words.is_empty()).map(|words| words.join(" "))
}

/// How a file in that form begins.
const FORM: &str = "Format:";

/// The texts that are only named. Where it is known what is upstream's, those of licences of upstream's files: what the packaging is
/// under is in no program.
pub(super) fn only_named(text: &str) -> Vec<&str> {
    let mut named: Vec<&str> =
        if text.starts_with(FORM) { of_upstream(text).flat_map(names_in).collect() } else { names_in(text).collect() };
    named.sort_unstable();
    named.dedup();
    named
}

fn of_upstream(text: &str) -> impl Iterator<Item = &str> {
    let upstream: Vec<&str> = paragraphs(text)
        .filter(|paragraph| paragraph.files.is_some_and(|files| !files.starts_with("debian/")))
        .flat_map(|paragraph| paragraph.licence.split_whitespace())
        .collect();
    let is_upstream = move |paragraph: &Paragraph| match paragraph.files {
        Some(files) => !files.starts_with("debian/"),
        None => paragraph.licence.split_whitespace().any(|name| upstream.contains(&name)),
    };
    paragraphs(text).filter(is_upstream).map(|paragraph| paragraph.text)
}

fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let names = text.split(common_licenses::PLACE).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c)).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    });
    // Where the directory alone is spoken of.
    names.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
        Files: *\nCopyright: 2014 A\nLicense: Apache-2.0\n\n\
        Files: debian/*\nCopyright: 2015 B\nLicense: GPL-3+\n\n\
        License: Apache-2.0\n See \"/usr/share/common-licenses/Apache-2.0\".\n\n\
        License: GPL-3+\n See `/usr/share/common-licenses/GPL-3'.\n";

    #[test]
    fn a_package_is_under_what_its_upstream_is_under() {
        assert_eq!(stated(TEXT).as_deref(), Some("Apache-2.0"));
        assert_eq!(only_named(TEXT), ["Apache-2.0"]);
        assert_eq!(
            stated(&TEXT.replacen("Apache-2.0", "Expat or BSD-3-clause~Google", 1)).as_deref(),
            Some("MIT OR BSD-3-Clause")
        );
        let other = TEXT.replacen("License: Apache-2.0", "License: MPL-1.1", 1);
        assert_eq!(stated(&other), None, "it is no name that is known here");
        let copyleft = TEXT.replace("debian/*", "other/*");
        assert_eq!(only_named(&copyleft), ["Apache-2.0", "GPL-3"]);
        let in_prose = "The GNU compiler.\nThe text of the GPL is in /usr/share/common-licenses/GPL.\n";
        assert_eq!(only_named(in_prose), ["GPL"]);
    }
}
