//! The shared secret of enrolment, kept out of every log.

use std::fmt;

use anyhow::anyhow;
use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

/// What is neither hex nor base64 has to be as long at least; no new cluster begins with such a token.
const SHORTEST: usize = 32;

/// Fewer different characters than this is a word that was repeated or a placeholder.
const FEWEST_DIFFERENT: usize = 8;

/// Random bytes that a token has at least, and those of one that is made here.
const FEWEST_BYTES: usize = 16;
const MADE_BYTES: usize = 32;

/// Of capital and of small letters, fewer of either than this are not what random bytes make in base64.
const FEWEST_OF_A_CASE: usize = 3;

/// Every token that this project has printed, in examples, tests and files for its labs, in lower case.
const KNOWN: [&str; 3] = [
    "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "6b756265726e657465732d6f6e2d656f73206973206e6f742061207365637265",
    "9f86d081884c7d659a2feaa0c55ad015",
];

#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken(Zeroizing<String>);

impl JoinToken {
    pub const HOW_TO_MAKE: &str = "make one with `k8s-node token`, the same in every switch's file";

    /// A new one, which nobody can guess.
    pub fn make() -> anyhow::Result<JoinToken> {
        let mut bytes = Zeroizing::new([0; MADE_BYTES]);
        getrandom::fill(bytes.as_mut_slice())
            .map_err(|error| anyhow!("the kernel gives no random numbers: {error}"))?;
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        Ok(JoinToken(Zeroizing::new(digits.collect())))
    }

    /// Says what is wrong without repeating the token. What clusters that run have is taken.
    pub(super) fn check(text: &str) -> Result<JoinToken, String> {
        let text = Zeroizing::new(text.to_owned());
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err("the token has characters that are not printable ASCII, or blanks".into());
        }
        let length = text.len();
        if length < SHORTEST && random_bytes(&text).is_none() {
            return Err(format!(
                "the token has {length} characters, and is not {FEWEST_BYTES} random bytes or more in hex or base64"
            ));
        }
        if different(text.as_bytes()) < FEWEST_DIFFERENT {
            return Err("the token repeats few characters and could be guessed".into());
        }
        Ok(JoinToken(text))
    }

    /// Why a new cluster does not begin with this one.
    pub(super) fn weakness(&self) -> Option<&'static str> {
        if KNOWN.contains(&self.0.to_ascii_lowercase().as_str()) {
            return Some("the token is one that this project has printed, and everybody knows it");
        }
        match random_bytes(&self.0) {
            None => Some("the token is not 16 random bytes or more in hex or base64, and could be guessed"),
            Some(bytes) if bytes.iter().all(is_printable) || different(&bytes) < FEWEST_DIFFERENT => {
                Some("the token is text or a pattern in hex or base64, and could be guessed")
            }
            Some(_) => None,
        }
    }

    /// The secret itself, for the proof of enrolment alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The bytes of a token that is as many in hex or base64 as it has to be.
fn random_bytes(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(from_hex(text).or_else(|| from_base64(text))?);
    (bytes.len() >= FEWEST_BYTES).then_some(bytes)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Words without blanks read as base64, too, also where each begins with a capital letter: there have to be as many letters of
/// each case as chance leaves.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let of_case = |is_case: fn(&u8) -> bool| text.bytes().filter(is_case).count();
    let fewest = of_case(u8::is_ascii_uppercase).min(of_case(u8::is_ascii_lowercase));
    let mixed = fewest >= FEWEST_OF_A_CASE && fewest * 5 >= of_case(u8::is_ascii_alphabetic);
    type Decoder = fn(&str) -> Result<Vec<u8>, base64ct::Error>;
    let decoders: [Decoder; 4] =
        [Base64::decode_vec, Base64Unpadded::decode_vec, Base64Url::decode_vec, Base64UrlUnpadded::decode_vec];
    decoders.iter().filter(|_| mixed).find_map(|decode| decode(text).ok())
}

fn is_printable(byte: &u8) -> bool {
    byte.is_ascii_graphic() || *byte == b' '
}

fn different(bytes: &[u8]) -> usize {
    let mut different = bytes.to_vec();
    different.sort_unstable();
    different.dedup();
    different.len()
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}
