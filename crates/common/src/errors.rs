//! What failed of things that are each done whatever came of the others, told together.

use anyhow::Result;

/// What came of one thing, and of another that was done after it in any case.
pub fn both<T>(first: Result<T>, then: Result<()>) -> Result<T> {
    match (first, then) {
        (Err(error), Err(later)) => Err(error.context(format!("{later:#}; and before that"))),
        (first, then) => then.and(first),
    }
}

/// The same of any number of them. The first one's error is the cause of the whole.
pub fn all(done: impl IntoIterator<Item = Result<()>>) -> Result<()> {
    done.into_iter().fold(Ok(()), both)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn no_error_hides_another_and_none_is_lost_behind_a_success() {
        let failed = |why: &'static str| Err(anyhow!(why));
        let told = |done: Vec<Result<()>>| all(done).map_err(|error| format!("{error:#}"));
        assert_eq!(told(vec![Ok(()), Ok(())]), Ok(()));
        assert_eq!(told(vec![Ok(()), failed("b"), Ok(())]), Err("b".to_owned()));
        let three = "c; and before that: b; and before that: a".to_owned();
        assert_eq!(told(vec![failed("a"), Ok(()), failed("b"), failed("c")]), Err(three));
        assert_eq!(both(Ok(7), Ok(())).unwrap(), 7);
        assert_eq!(both(Ok(7), failed("later")).unwrap_err().to_string(), "later");
    }
}
