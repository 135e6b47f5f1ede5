//! The shared secret. Its text is not kept: what is kept is a key made of it, which is wiped when dropped and never
//! shown.

use std::fmt;

use ring::hmac;
use zeroize::Zeroizing;

const SHORTEST: usize = 16;
const KEY_CONTEXT: &[u8] = b"kubernetes-on-eos enrolment 1 key";

/// What both sides must know.
#[derive(Clone)]
pub struct Token {
    key: Zeroizing<[u8; 32]>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token has {length} characters and needs at least {SHORTEST}, because whoever poses as the master may guess \
     at it offline: make one with `k8s-node token` and write it into cluster.toml, the same on every switch"
)]
pub struct TokenError {
    length: usize,
}

impl Token {
    pub fn new(text: &str) -> Result<Token, TokenError> {
        let length = text.chars().count();
        if length < SHORTEST {
            return Err(TokenError { length });
        }
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()), KEY_CONTEXT);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(tag.as_ref());
        Ok(Token { key })
    }

    pub(crate) fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.key.as_slice())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}
