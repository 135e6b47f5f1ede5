//! The shared secret of enrolment, kept out of every log.

use std::fmt;

use zeroize::Zeroizing;

/// Fewer characters could be guessed by someone who has heard an exchange.
pub(super) const SHORTEST: usize = 32;

/// Fewer different characters than this is a word that was repeated or a placeholder.
const FEWEST_DIFFERENT: usize = 8;

pub(super) const HOW_TO_MAKE: &str = "make one with `openssl rand -hex 32`, the same in every switch's file";

#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken(Zeroizing<String>);

impl JoinToken {
    /// Says what is wrong without repeating the token.
    pub(super) fn check(text: String) -> Result<JoinToken, String> {
        let text = Zeroizing::new(text);
        let length = text.chars().count();
        if length < SHORTEST {
            return Err(format!("the token has {length} characters: at least {SHORTEST} are needed"));
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err("the token has characters that are not printable ASCII, or blanks".into());
        }
        let mut different: Vec<u8> = text.bytes().collect();
        different.sort_unstable();
        different.dedup();
        if different.len() < FEWEST_DIFFERENT {
            return Err("the token repeats few characters and could be guessed".into());
        }
        Ok(JoinToken(text))
    }

    /// The secret itself, for the proof of enrolment alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}
