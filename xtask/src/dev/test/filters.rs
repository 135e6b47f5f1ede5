//! The names by which `test` asks for tests, or leaves some out: where no test has such a name any more, nothing would run,
//! and pass.

use anyhow::{Result, ensure};
use common::command::LONG;

use super::command;

/// Fails where a name in cargo's words is in no test's.
pub fn check(words: &str) -> Result<()> {
    let (cargo, harness) = words.split_once(" -- ").unwrap_or((words, ""));
    let names = names(harness);
    if !cargo.starts_with("test ") || names.is_empty() {
        return Ok(());
    }
    let ignored = if harness.split(' ').any(|word| word == "--ignored") { " --ignored" } else { "" };
    let listed = command(&format!("{cargo} -- --list{ignored}"))?.limit(LONG).read()?;
    let gone = unmatched(&listed, &names);
    ensure!(gone.is_empty(), "no test has {} in its name, as `cargo {words}` expects", gone.join(" or "));
    Ok(())
}

/// What the test harness is given to choose by.
fn names(harness: &str) -> Vec<&str> {
    harness.split_whitespace().filter(|word| !word.starts_with("--")).collect()
}

/// Those that are in no test's name.
fn unmatched<'a>(listed: &str, names: &[&'a str]) -> Vec<&'a str> {
    let tests: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    names.iter().copied().filter(|name| !tests.iter().any(|test| test.contains(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_flags_and_one_that_no_test_has_is_seen() {
        let harness = "--ignored --test-threads=1 --skip swix_in_dist --skip long:: drivers::";
        assert_eq!(names(harness), ["swix_in_dist", "long::", "drivers::"]);
        let listed = "swix_in_dist_is_signed: test\ndrivers::both: test\nlong_ago: test\n\n3 tests, 0 benchmarks\n";
        assert_eq!(unmatched(listed, &names(harness)), ["long::"]);
        assert_eq!(unmatched("", &["drivers::"]), ["drivers::"]);
    }
}
