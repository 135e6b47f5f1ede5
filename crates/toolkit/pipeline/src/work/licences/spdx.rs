//! Which licence a text is, by its words: of what is vendored nobody states an SPDX expression, and the text is all there is.
//!
//! A text counts as a licence where it has every word of it. What is left besides, copyright lines, a title, an explanation, has to
//! be short and must not speak of another licence; else nothing is said of the text, nor of what it comes with.

use std::{collections::BTreeSet, ops::Range};

use super::common_licenses;

/// In a wording: up to so many words that differ from owner to owner.
const ANY: &str = "*";
const ANY_MOST: usize = 24;

/// So much may stand beside a licence.
const BESIDE_MOST: usize = 100;

/// What is not said beside a licence, unless there is another one.
const OTHERS: [&str; 17] = [
    "affero", "agpl", "agplv3", "cc0", "cddl", "commons", "dual", "epl", "gnu", "gpl", "gplv2", "gplv3", "lgpl",
    "lgplv3", "mozilla", "wtfpl", "zlib",
];
/// The beginnings of words that grant or restrict something: beside a licence they are one more, or less of it.
const TERMS: [&str; 9] =
    ["commercial", "forbid", "grant", "intended", "liab", "permi", "prohibit", "restrict", "warrant"];

/// A line that says whose it is says no more than that.
const OWNER_MOST: usize = 20;

const APACHE_NOTICE: &str = "Licensed under the Apache License, Version 2.0 (the \"License\"); you may not use this * except in \
    compliance with the License. You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0 Unless \
    required by applicable law or agreed to in writing, software distributed under the License is distributed on an \"AS IS\" \
    BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language \
    governing permissions and limitations under the License";

/// Where the Apache licence's own text ends; the appendix says how to apply it, and is left out now and then.
const APACHE_ENDS: &str = "END OF TERMS AND CONDITIONS";
const APACHE_NOTICE_BEGINS: &str = "Copyright [yyyy]";

const BSD_CONDITIONS: &str = "Redistribution and use in source and binary forms, with or without modification, are permitted \
    provided that the following conditions are met: * Redistributions of source code must retain the above copyright notice, \
    this list of conditions and the following disclaimer. * Redistributions in binary form must reproduce the above copyright \
    notice, this list of conditions and the following disclaimer in the documentation and/or other materials provided with the \
    distribution.";

const BSD_NAMES: &str = "* be used to endorse or promote products derived from this software without specific prior written \
    permission.";

const BSD_DISCLAIMER: &str = "THIS SOFTWARE IS PROVIDED * \"AS IS\" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT \
    LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL \
    * BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED \
    TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND \
    ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN \
    ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.";

const ISC: &str = "Permission to use, copy, modify, and * distribute this software for any purpose with or without fee is hereby \
    granted, provided that the above copyright notice and this permission notice appear in all copies. THE SOFTWARE IS PROVIDED \
    \"AS IS\" AND * DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND \
    FITNESS. IN NO EVENT SHALL * BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER \
    RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING \
    OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.";

const MIT: &str = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated \
    documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation the rights \
    to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to \
    whom the Software is furnished to do so, subject to the following conditions: The above copyright notice and this permission \
    notice shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT \
    WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A \
    PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL * BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN \
    AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER \
    DEALINGS IN THE SOFTWARE.";

/// Licences by their words.
pub(super) struct Detector(Vec<(&'static str, Vec<String>)>);

/// What is found in a text.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    Licences(BTreeSet<&'static str>),
    /// It is none, and neither grants nor restricts anything.
    Remark,
    Unknown,
}

impl Detector {
    pub(super) fn new() -> Self {
        let apache = common_licenses::text("Apache-2.0").unwrap_or_default();
        let (apache, appendix) = apache.split_once(APACHE_ENDS).unwrap_or_default();
        let appendix = appendix.split(APACHE_NOTICE_BEGINS).next().unwrap_or_default();
        let bsd = |clauses: &[&str]| wording(&clauses.join(" "));
        // Where one has another's words, it comes first. The notice stands in the appendix of the licence.
        Detector(vec![
            ("Apache-2.0", words(apache)),
            ("Apache-2.0", words(appendix)),
            ("Apache-2.0", wording(APACHE_NOTICE)),
            ("MPL-2.0", words(common_licenses::text("MPL-2.0").unwrap_or_default())),
            ("BSD-3-Clause", bsd(&[BSD_CONDITIONS, BSD_NAMES, BSD_DISCLAIMER])),
            ("BSD-2-Clause", bsd(&[BSD_CONDITIONS, BSD_DISCLAIMER])),
            ("ISC", wording(ISC)),
            ("MIT", wording(MIT)),
        ])
    }

    /// The SPDX expression of what comes with all of these texts; none where one of them is not known.
    pub(super) fn of_all<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Option<String> {
        let mut licences = BTreeSet::new();
        for text in texts {
            match self.read(text) {
                Reading::Licences(found) => licences.extend(found),
                Reading::Remark => {}
                Reading::Unknown => return None,
            }
        }
        (!licences.is_empty()).then(|| licences.into_iter().collect::<Vec<_>>().join(" AND "))
    }

    fn read(&self, text: &str) -> Reading {
        let mut rest = words(&without_owners(text));
        let mut licences = BTreeSet::new();
        for (name, wording) in &self.0 {
            while let Some(place) = find(&rest, wording) {
                rest.drain(place);
                licences.insert(*name);
            }
        }
        let is_other = |word: &String| {
            OTHERS.contains(&word.as_str()) || TERMS.iter().any(|beginning| word.starts_with(beginning))
        };
        let others = rest.iter().any(is_other);
        match (rest.len() <= BESIDE_MOST && !others, licences.is_empty()) {
            (false, _) => Reading::Unknown,
            (true, true) => Reading::Remark,
            (true, false) => Reading::Licences(licences),
        }
    }
}

/// Without the lines that say whose it is.
fn without_owners(text: &str) -> String {
    let says_who = |line: &&str| {
        let line = line.trim_start_matches(|c: char| !c.is_alphanumeric() && !"(©".contains(c)).to_lowercase();
        let begins = ["copyright", "portions copyright", "(c)", "©"].iter().any(|begin| line.starts_with(begin));
        let has_year = || line.split(|c: char| !c.is_ascii_digit()).any(|number| number.len() == 4);
        let said = words(&line);
        let is_short = said.len() <= OWNER_MOST && !said.iter().any(|word| OTHERS.contains(&word.as_str()));
        begins && is_short && (has_year() || line.starts_with("copyright (c)") || line.starts_with("copyright ©"))
    };
    text.lines().filter(|line| !says_who(line)).collect::<Vec<_>>().join("\n")
}

/// Lower case, without punctuation and single letters, with which a list may be marked or not. An address is the same with TLS and
/// without.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace("https://", "http://");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_word = |word: &&str| word.len() > 1 || word.chars().any(|c| c.is_ascii_digit());
    words.filter(is_word).map(str::to_owned).collect()
}

/// The same with the places for others' words.
fn wording(text: &str) -> Vec<String> {
    let parts = text.split_whitespace();
    parts.flat_map(|part| if part == ANY { vec![part.to_owned()] } else { words(part) }).collect()
}

/// Where a wording is in a text. One of no words is nowhere.
fn find(text: &[String], wording: &[String]) -> Option<Range<usize>> {
    let first = wording.first()?;
    let mut starts = (0..text.len()).filter(|start| text[*start] == *first);
    starts.find_map(|start| Some(start..start + length(&text[start..], wording)?))
}

/// How much of a text's beginning is a wording.
fn length(text: &[String], wording: &[String]) -> Option<usize> {
    let same = text.iter().zip(wording).take_while(|(a, b)| a == b && *b != ANY).count();
    match wording.get(same) {
        None => Some(same),
        Some(word) if word == ANY => {
            let most = ANY_MOST.min(text.len() - same);
            (0..=most).find_map(|any| Some(same + any + length(&text[same + any..], &wording[same + 1..])?))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Option<String> {
        Detector::new().of_all(texts.iter().copied())
    }

    fn bsd(names: &str) -> String {
        let disclaimer = BSD_DISCLAIMER.replacen(ANY, "BY THE AUTHORS AND CONTRIBUTORS", 1).replacen(ANY, "ANYONE", 1);
        let conditions = BSD_CONDITIONS.replacen(ANY, "1.", 1).replacen(ANY, " * ", 1);
        format!("Copyright (c) 2014 A, B\n All rights reserved.\n\n{conditions}\n{names}\n{disclaimer}\n")
    }

    #[test]
    fn each_licence_is_known_by_its_words_whoever_owns_it_and_however_it_is_broken_into_lines() {
        let mit = format!("The MIT License (MIT)\n\nCopyright (c) 2013 A\n\n{}\n", MIT.replace(ANY, "THE AUTHORS"));
        let isc = ISC.replacen(ANY, "or", 1).replace(ANY, "THE AUTHOR");
        assert_eq!(of(&[&mit]).as_deref(), Some("MIT"));
        assert_eq!(of(&[&mit.replace(' ', "\n").to_lowercase()]).as_deref(), Some("MIT"));
        assert_eq!(of(&[&format!("ISC License\n\nCopyright © 2013 A\n\n{isc}")]).as_deref(), Some("ISC"));
        assert_eq!(of(&[&isc.replace("and or", "and")]).as_deref(), Some("ISC"));
        let names = "Neither the name of A nor the names of its contributors may be used";
        let rest = BSD_NAMES.trim_start_matches("* be used");
        assert_eq!(of(&[&bsd(&format!("3. {names}{rest}"))]).as_deref(), Some("BSD-3-Clause"));
        assert_eq!(of(&[&bsd("")]).as_deref(), Some("BSD-2-Clause"));
        for name in ["Apache-2.0", "MPL-2.0"] {
            assert_eq!(of(&[common_licenses::text(name).unwrap()]).as_deref(), Some(name));
        }
        let notice = APACHE_NOTICE.replace(ANY, "file").replace("http:", "https:");
        assert_eq!(of(&[&notice]).as_deref(), Some("Apache-2.0"));
        let unmarked = common_licenses::text("Apache-2.0").unwrap().replace("(a) ", "").replace("(b) ", "");
        assert_eq!(of(&[&unmarked]).as_deref(), Some("Apache-2.0"));
        assert_eq!(of(&[&format!("{mit}\n\n{}", bsd(""))]).as_deref(), Some("BSD-2-Clause AND MIT"));
    }

    #[test]
    fn what_comes_with_several_texts_is_under_all_of_them() {
        let mit = MIT.replace(ANY, "THE AUTHORS");
        let apache = common_licenses::text("Apache-2.0").unwrap();
        assert_eq!(of(&[&mit, apache]).as_deref(), Some("Apache-2.0 AND MIT"));
        assert_eq!(of(&[&mit, "Governed by a licence that can be found in the file LICENSE"]).as_deref(), Some("MIT"));
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known_whole() {
        let mit = MIT.replace(ANY, "THE AUTHORS");
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Do what you like"]), None);
        assert_eq!(of(&[&mit, common_licenses::text("GPL-2").unwrap()]), None);
        assert_eq!(of(&[&mit.replace("without restriction", "without much restriction")]), None);
        assert_eq!(of(&[&format!("Dual licensed, this or the GPLv3:\n{mit}")]), None);
        for beside in [
            "You acknowledge that this software is not designed, licensed or intended for use in a nuclear facility.",
            "It is not for commercial use.",
            "Copyright (c) 2014 A. Dual licensed, GPLv3 or MIT.",
            "What is in zlib/ is under the zlib licence.",
        ] {
            assert_eq!(of(&[&format!("{beside}\n{mit}")]), None, "{beside}");
        }
        assert_eq!(of(&[&format!("{mit}{}", "You owe the authors a beer. ".repeat(30))]), None);
    }
}
