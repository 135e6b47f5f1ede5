//! Where a packet can end, and with which probability.

use std::{collections::BTreeMap, fmt, net::SocketAddrV4};

/// What happens to it in the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It goes to its destination.
    Passed,
    Dropped,
    /// The sender is told, in this way.
    Rejected(String),
}

/// Whether the same client gets to the same endpoint again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stickiness {
    /// Nothing is remembered.
    None,
    /// For so many seconds.
    Kept { seconds: Option<u32> },
    /// Something is remembered, and the next connection goes elsewhere all the same.
    Lost,
}

/// One end that a packet can come to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    pub verdict: Verdict,
    /// Where it goes, or would have gone.
    pub destination: SocketAddrV4,
    /// Whether the endpoint sees an address of the node; with `--random-fully` or not.
    pub masquerade: Option<bool>,
    pub affinity: Stickiness,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Passed => write!(f, "to {}", self.destination)?,
            Verdict::Dropped => write!(f, "dropped, for {}", self.destination)?,
            Verdict::Rejected(with) => write!(f, "rejected with {with}, for {}", self.destination)?,
        }
        match self.masquerade {
            None => {}
            Some(false) => f.write_str(", masqueraded")?,
            Some(true) => f.write_str(", masqueraded --random-fully")?,
        }
        match self.affinity {
            Stickiness::None => Ok(()),
            Stickiness::Kept { seconds: Some(seconds) } => write!(f, ", remembered for {seconds} s"),
            Stickiness::Kept { seconds: None } => f.write_str(", remembered for ever"),
            Stickiness::Lost => f.write_str(", remembered in vain"),
        }
    }
}

/// All ends with their probabilities.
pub type Distribution = BTreeMap<Outcome, f64>;

/// The kernel keeps probabilities in 31 bits, and kube-proxy writes ten digits.
const PRECISION: f64 = 1e-6;

/// Whether two packets have the same prospects.
pub fn same(one: &Distribution, other: &Distribution) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|((end, probability), (other_end, other_probability))| {
            end == other_end && (probability - other_probability).abs() < PRECISION
        })
}
