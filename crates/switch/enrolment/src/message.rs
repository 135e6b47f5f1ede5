//! The messages of the protocol as they are in JSON.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

/// What both sides of this release speak, where TLS has shown that the other side does too.
pub const VERSION: u32 = 3;

/// What a release spoke whose workers ask from their own addresses, and show no certificate.
pub const ADDRESS_VERSION: u32 = 2;

/// What releases speak whose workers let the kernel choose the address that they ask from.
pub const OLD_VERSION: u32 = 1;

/// The longest message that either side takes, unless a server's limits say less.
pub const LONGEST: usize = 64 * 1024;

/// A nonce, a proof or keying material; 64 hexadecimal digits in JSON.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes32(pub [u8; 32]);

impl Bytes32 {
    pub fn random() -> Result<Bytes32, NoRandomness> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Bytes32(bytes))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the kernel gives no random numbers")]
pub struct NoRandomness;

impl TryFrom<String> for Bytes32 {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Bytes32(bytes))
    }
}

impl From<Bytes32> for String {
    fn from(bytes: Bytes32) -> String {
        hex::encode(bytes.0)
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum FromWorker {
    Hello {
        version: u32,
        name: String,
        nonce: Bytes32,
    },
    Request {
        proof: Bytes32,
        csrs: Vec<String>,
    },
    /// In place of both, by a worker whose key the master knows.
    Renewal {
        name: String,
        csrs: Vec<String>,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum FromMaster {
    Challenge { nonce: Bytes32 },
    Answer { proof: Bytes32, body: String },
    Refused(Refusal),
}

/// What the master says to someone who has not proven anything.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Refusal {
    #[serde(rename = "version")]
    Version,
    #[serde(rename = "token or name not accepted")]
    TokenOrName,
    /// Not to older releases, which do not know it.
    #[serde(rename = "nobody joins")]
    NobodyJoins,
}

/// What an answer's proof is about, and what a renewal is answered with.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Body {
    Issued { ca: String, certificates: Vec<String>, time: u64 },
    Declined { reason: String },
}

/// A node's name as a stranger may send it: nothing in it that would spoil a log.
pub fn is_name(name: &str) -> bool {
    (1..=253).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// What was wrong with a message. The message itself is not in it: a stranger wrote that.
#[derive(Debug)]
pub enum BadMessage {
    TooLong { length: usize, longest: usize },
    NotExpected { expected: &'static str },
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadMessage::TooLong { length, longest } => {
                write!(f, "a message of {length} bytes, where {longest} is the most")
            }
            BadMessage::NotExpected { expected } => write!(f, "something else where {expected} was expected"),
        }
    }
}
