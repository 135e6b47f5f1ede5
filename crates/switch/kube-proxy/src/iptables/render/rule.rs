//! The parts of rules that many have, as `iptables-save` spells them.

use std::fmt::{self, Display, Write};

use crate::iptables::{Feature, IptablesSettings};

/// What the kernel keeps of a comment.
const COMMENT_BYTES: usize = 255;
/// The kernel keeps a probability as so many parts of one.
const PARTS_OF_ONE: u64 = 1 << 31;

/// `-m comment --comment "…" `, or nothing where there are no comments.
pub fn comment(settings: &IptablesSettings, text: impl Display) -> String {
    if !settings.features.has(Feature::Comment) {
        return String::new();
    }
    let mut cut = String::with_capacity(64);
    // Names are ASCII. Whatever else got here must not end a line, nor a quotation.
    let _ = write!(Plain(&mut cut), "{text}");
    let mut quoted = String::with_capacity(cut.len() + 32);
    quoted.push_str("-m comment --comment \"");
    for character in cut.chars() {
        if matches!(character, '"' | '\\' | '\'') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push_str("\" ");
    quoted
}

/// Takes no more than a comment may have, and printable ASCII only.
struct Plain<'a>(&'a mut String);

impl Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = COMMENT_BYTES.saturating_sub(self.0.len());
        let plain = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
        self.0.extend(text.chars().map(plain).take(room));
        Ok(())
    }
}

/// `-m statistic … ` so that one of `remaining` is chosen; nothing for the last one.
pub fn one_of(remaining: usize) -> String {
    let Ok(remaining @ 2..) = u64::try_from(remaining) else { return String::new() };
    let parts = (PARTS_OF_ONE + remaining / 2) / remaining;
    format!("-m statistic --mode random --probability {:.11} ", parts as f64 / PARTS_OF_ONE as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iptables::settings::complete;

    #[test]
    fn probabilities_are_what_the_kernel_makes_of_them() {
        assert_eq!(one_of(1), "");
        assert_eq!(one_of(2), "-m statistic --mode random --probability 0.50000000000 ");
        assert_eq!(one_of(3), "-m statistic --mode random --probability 0.33333333349 ");
    }

    #[test]
    fn comments_are_quoted_and_cut() {
        assert_eq!(comment(&complete(), r#"a "b" \ it's"#), r#"-m comment --comment "a \"b\" \\ it\'s" "#);
        assert_eq!(comment(&complete(), "ä\n"), "-m comment --comment \"??\" ");
        let long = comment(&complete(), "x".repeat(300));
        assert_eq!(long.len(), "-m comment --comment \"\" ".len() + COMMENT_BYTES);
    }
}
