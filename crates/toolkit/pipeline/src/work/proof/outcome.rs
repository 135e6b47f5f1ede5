//! What a run of tests says: how each ended, or why they do not compile.

use std::{collections::BTreeMap, fmt};

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    Skipped,
    /// The program ended, by a panic or at its limit, while it ran.
    NotEnded,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Passed => "passes",
            Outcome::Failed => "fails",
            Outcome::Skipped => "is skipped",
            Outcome::NotEnded => "does not end",
        })
    }
}

/// Of what `-test.v` printed, the tests without their parts. A program may print without an end of line before such a word.
pub(super) fn of_tests(text: &str) -> BTreeMap<String, Outcome> {
    let words = [
        ("=== RUN   ", Outcome::NotEnded),
        ("--- PASS: ", Outcome::Passed),
        ("--- FAIL: ", Outcome::Failed),
        ("--- SKIP: ", Outcome::Skipped),
    ];
    let mut found = BTreeMap::new();
    for line in text.lines() {
        for (word, outcome) in words {
            let Some((_, rest)) = line.split_once(word) else { continue };
            let name = rest.split(' ').next().unwrap_or(rest);
            if name.starts_with("Test") && !name.contains('/') {
                found.insert(name.to_owned(), outcome);
            }
        }
    }
    found
}

/// What a compiler missed in a file of tests that stands in lines that a patch adds, and not in a comment there.
pub(super) fn names_what_is_made(text: &str, made: &[&str]) -> Option<String> {
    let made = without_comments(made);
    let lines = text.lines().filter(|line| line.contains("_test.go:"));
    let missed = lines.filter_map(|line| {
        let (_, rest) = line.split_once("undefined: ").or_else(|| line.split_once("unknown field ")).or_else(|| {
            let (_, rest) = line.split_once("undefined (")?;
            rest.split_once("no field or method ")
        })?;
        let name = rest.split([' ', ')']).next()?;
        Some(name.rsplit('.').next().unwrap_or(name).to_owned())
    });
    let is_word =
        |line: &str, name: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    missed.into_iter().find(|name| !name.is_empty() && made.iter().any(|line| is_word(line, name)))
}

/// Lines of Go without their comments. A text with `//` in it ends there, too, so that less counts.
fn without_comments(lines: &[&str]) -> Vec<String> {
    let mut is_inside = false;
    let code_of = |line: &&str| {
        let (mut code, mut rest) = (String::new(), *line);
        loop {
            if is_inside {
                let Some((_, after)) = rest.split_once("*/") else { return code };
                (is_inside, rest) = (false, after);
            }
            let Some(at) = rest.find("//").into_iter().chain(rest.find("/*")).min() else { return code + rest };
            code = code + &rest[..at] + " ";
            if rest[at..].starts_with("//") {
                return code;
            }
            (is_inside, rest) = (true, &rest[at + 2..]);
        }
    };
    lines.iter().map(code_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_ends_as_it_says_and_one_that_says_nothing_has_not_ended() {
        let text = "=== RUN   TestA\n=== RUN   TestA/part\n    --- FAIL: TestA/part (0.00s)\nsome words--- FAIL: TestA (0.01s)\n\
                    === RUN   TestB\n--- PASS: TestB (0.00s)\n=== RUN   TestC\n--- SKIP: TestC (0.00s)\n=== RUN   TestD\npanic: no\n";
        let expected = [
            ("TestA".to_owned(), Outcome::Failed),
            ("TestB".to_owned(), Outcome::Passed),
            ("TestC".to_owned(), Outcome::Skipped),
            ("TestD".to_owned(), Outcome::NotEnded),
        ];
        assert_eq!(of_tests(text), BTreeMap::from(expected));
    }

    #[test]
    fn what_does_not_compile_counts_where_the_tests_name_what_the_patch_makes() {
        let made =
            ["var limit = 3 // not more", "// told", "/* hidden", "still */ func (t *T) Bound(/* n */ n int) int {"];
        let missed = |line: &str| names_what_is_made(line, &made);
        assert_eq!(missed("./a_test.go:3:2: undefined: limit").as_deref(), Some("limit"));
        assert_eq!(
            missed("a_test.go:3:4: t.Bound undefined (type *T has no field or method Bound)").as_deref(),
            Some("Bound")
        );
        assert_eq!(missed("a_test.go:3:2: undefined: limi"), None);
        assert_eq!(missed("a.go:3:2: undefined: limit"), None, "what is not a test does not compile");
        for word in ["more", "told", "hidden", "still"] {
            assert_eq!(missed(&format!("a_test.go:3:2: undefined: {word}")), None, "a comment makes nothing");
        }
    }
}
