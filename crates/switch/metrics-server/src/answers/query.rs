//! What stands behind the question mark of a list.

/// What of it counts here; `limit` and `continue` do not, as a list is given whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) labels: String,
    pub(super) fields: String,
    pub(super) watch: bool,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut query = Query::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let read = |text: &str| decoded(&text.replace('+', " ")).ok_or_else(|| format!("{pair:?} cannot be read"));
            match read(name)?.as_str() {
                "labelSelector" => query.labels = read(value)?,
                "fieldSelector" => query.fields = read(value)?,
                "watch" => query.watch = matches!(read(value)?.as_str(), "1" | "true" | "True" | ""),
                _ => {}
            }
        }
        Ok(query)
    }
}

/// With each %XX as the byte that it stands for; none where that is no text.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_decoded_and_what_is_no_text_is_refused() {
        let query = Query::parse("labelSelector=app+in+%28a%2Cb%29&limit=500&fieldSelector=metadata.name%3Dx").unwrap();
        assert_eq!((query.labels.as_str(), query.fields.as_str()), ("app in (a,b)", "metadata.name=x"));
        assert!(
            !query.watch && Query::parse("watch=true").unwrap().watch && !Query::parse("watch=false&&").unwrap().watch
        );
        for nonsense in ["labelSelector=%", "labelSelector=%f", "labelSelector=%zz", "labelSelector=%ff", "%ff=1"] {
            assert!(Query::parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
