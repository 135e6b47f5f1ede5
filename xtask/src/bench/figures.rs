//! Two ways of doing the same thing, timed in turns: what `bench` says about them.

use std::{fmt, time::Duration};

use anyhow::Result;
use common::command::Program;

use super::quiet::Load;
use crate::workspace::workspace;

/// The shortest, the middle and the longest of some times.
pub struct Spread {
    pub min: Duration,
    pub median: Duration,
    pub max: Duration,
}

impl Spread {
    /// None where there are no times.
    pub fn of(times: &[Duration]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = sorted[sorted.len() / 2];
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(Spread { min, median: (lower + upper) / 2, max })
    }

    /// How many times as long as the other one's median this one's is.
    pub fn ratio_to(&self, other: &Spread) -> f64 {
        self.median.as_secs_f64() / other.median.as_secs_f64()
    }
}

/// The cells of a table's row.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = [self.min, self.median, self.max].map(|time| format!("{:.3} s", time.as_secs_f64()));
        f.write_str(&seconds.join(" | "))
    }
}

/// What is measured on which machine, and how busy that was with whatever ran on it before this is called.
pub fn machine() -> String {
    let load = Load::now().map_or_else(|error| error.to_string(), |load| load.to_string());
    format!("{load}; {}", commit())
}

/// The commit of the repository's directory.
fn commit() -> String {
    let asked = Program::new("git", "say which commit is measured").and_then(|git| {
        git.args(["describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=, with changes"])
            .dir(&workspace())
            .read()
    });
    asked.map_or_else(|_| "not a commit".to_owned(), |commit| format!("commit {}", commit.trim()))
}

/// Runs both so that each is as often the first of a pair as the second: A B, B A, A B.
pub fn in_turns<T>(
    rounds: usize,
    mut first: impl FnMut() -> Result<T>,
    mut second: impl FnMut() -> Result<T>,
) -> Result<(Vec<T>, Vec<T>)> {
    let (mut of_first, mut of_second) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            of_first.push(first()?);
            of_second.push(second()?);
        } else {
            of_second.push(second()?);
            of_first.push(first()?);
        }
    }
    Ok((of_first, of_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_times_lies_between_the_middle_two() {
        let times = [4, 1, 3, 2].map(Duration::from_secs);
        let spread = Spread::of(&times).unwrap();
        assert_eq!(spread.to_string(), "1.000 s | 2.500 s | 4.000 s");
        assert!(Spread::of(&[]).is_none());
    }

    #[test]
    fn each_is_as_often_first_as_second() {
        let order = std::cell::RefCell::new(String::new());
        let note = |letter: char| {
            order.borrow_mut().push(letter);
            Ok(())
        };
        in_turns(4, || note('A'), || note('B')).unwrap();
        assert_eq!(order.into_inner(), "ABBAABBA");
    }
}
