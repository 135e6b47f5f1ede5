//! Chains are compared by a hash of their rules, so that nobody has to keep the text.

use std::hash::{DefaultHasher, Hasher};

/// Takes in the rules of one chain, line by line.
#[derive(Clone, Debug, Default)]
pub struct RuleHash(DefaultHasher);

impl RuleHash {
    /// Of rules that each end with a line's end.
    pub fn of(rules: &str) -> u64 {
        let mut hash = Self::default();
        hash.add(rules);
        hash.finish()
    }

    /// Of a chain without rules.
    pub fn of_nothing() -> u64 {
        Self::default().finish()
    }

    /// Any number of whole lines.
    pub fn add(&mut self, rules: &str) {
        // Line by line, as the hash depends on where the text was cut.
        for line in rules.lines() {
            self.0.write(line.as_bytes());
            self.0.write_u8(b'\n');
        }
    }

    pub fn finish(&self) -> u64 {
        self.0.finish()
    }
}
