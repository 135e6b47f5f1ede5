//! Chains are compared by a hash of their rules and by how many these are, so that nobody has to keep the text.

use std::hash::{DefaultHasher, Hasher};

/// The rules of a chain in a few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainDigest {
    pub rules: u32,
    hash: u64,
}

/// Takes in the rules of one chain, line by line.
#[derive(Clone, Debug, Default)]
pub struct RuleHash {
    hasher: DefaultHasher,
    rules: u32,
}

impl RuleHash {
    /// Of rules that each end with a line's end.
    pub fn of(rules: &str) -> ChainDigest {
        let mut hash = Self::default();
        hash.add(rules);
        hash.finish()
    }

    /// Of a chain without rules.
    pub fn of_nothing() -> ChainDigest {
        Self::default().finish()
    }

    /// Any number of whole lines.
    pub fn add(&mut self, rules: &str) {
        // Line by line, as the hash depends on where the text was cut.
        for line in rules.lines() {
            self.hasher.write(line.as_bytes());
            self.hasher.write_u8(b'\n');
            self.rules += 1;
        }
    }

    pub fn finish(&self) -> ChainDigest {
        ChainDigest { rules: self.rules, hash: self.hasher.finish() }
    }
}
