//! Versions and ranges of them, as Go and Cargo order them: semantic versions, a pseudo-version of Go's among them.

use std::{cmp::Ordering, fmt};

use anyhow::{Context, Result, bail};
use semver::Version;

/// A version without the `v` that Go writes before it; what follows a `+` does not count.
pub fn parse(text: &str) -> Result<Version> {
    let plain = text.trim_start_matches('v');
    let (core, rest) = plain.find(['-', '+']).map_or((plain, ""), |at| plain.split_at(at));
    let missing = 2_usize.saturating_sub(core.matches('.').count());
    let whole = format!("{core}{}{rest}", ".0".repeat(missing));
    Version::parse(&whole).with_context(|| format!("{text:?} is not a version: expected one like 1.20.2"))
}

/// Versions that a vulnerability is in: one of several spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(Vec<Span>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    from: Option<Version>,
    until: Option<Until>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Until {
    /// The first that is without it.
    Fixed(Version),
    /// The last that has it.
    Last(Version),
}

/// What OSV calls an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Introduced(Option<Version>),
    Fixed(Version),
    LastAffected(Version),
}

impl Range {
    /// `*`, or spans like `>=1.20.0 <1.20.11`, parted by `||`.
    pub fn parse(text: &str) -> Result<Self> {
        let span = |text: &str| {
            let mut span = Span { from: None, until: None };
            for word in text.split_whitespace().filter(|word| *word != "*") {
                if let Some(version) = word.strip_prefix(">=") {
                    span.from = Some(parse(version)?);
                } else if let Some(version) = word.strip_prefix("<=") {
                    span.until = Some(Until::Last(parse(version)?));
                } else if let Some(version) = word.strip_prefix('<') {
                    span.until = Some(Until::Fixed(parse(version)?));
                } else {
                    bail!("{word:?} is no part of a range: expected >=VERSION, <VERSION, <=VERSION or *");
                }
            }
            Ok(span)
        };
        let texts = text.split("||").map(str::trim);
        let spans = texts.map(|text| if text.is_empty() { bail!("a range is empty: say *") } else { span(text) });
        Ok(Range(spans.collect::<Result<_>>().with_context(|| format!("the range {text:?}"))?))
    }

    /// OSV's list of what happened at which version.
    pub fn of_events(mut events: Vec<Event>) -> Self {
        events.sort_by(|one, other| one.order(other));
        let mut spans: Vec<Span> = Vec::new();
        for event in events {
            let open = spans.last_mut().filter(|span| span.until.is_none());
            match (event, open) {
                (Event::Introduced(from), None) => spans.push(Span { from, until: None }),
                (Event::Fixed(version), Some(span)) => span.until = Some(Until::Fixed(version)),
                (Event::LastAffected(version), Some(span)) => span.until = Some(Until::Last(version)),
                _ => {}
            }
        }
        Range(spans)
    }

    /// Every span of several ranges.
    pub fn any(ranges: impl IntoIterator<Item = Range>) -> Self {
        Range(ranges.into_iter().flat_map(|range| range.0).collect())
    }

    pub fn has(&self, version: &Version) -> bool {
        self.0.iter().any(|span| {
            let from = span.from.as_ref().is_none_or(|from| version.cmp_precedence(from) != Ordering::Less);
            from && span.until.as_ref().is_none_or(|until| match until {
                Until::Fixed(fixed) => version.cmp_precedence(fixed) == Ordering::Less,
                Until::Last(last) => version.cmp_precedence(last) != Ordering::Greater,
            })
        })
    }

    /// The first versions without it, of those spans that end.
    pub fn fixed(&self) -> Vec<&Version> {
        self.0
            .iter()
            .filter_map(|span| if let Some(Until::Fixed(it)) = &span.until { Some(it) } else { None })
            .collect()
    }
}

impl Event {
    fn version(&self) -> Option<&Version> {
        match self {
            Event::Introduced(version) => version.as_ref(),
            Event::Fixed(version) | Event::LastAffected(version) => Some(version),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self.version(), other.version()) {
            (Some(one), Some(other)) => one.cmp_precedence(other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let spans = self.0.iter().map(|span| {
            let from = span.from.iter().map(|from| format!(">={from}"));
            let until = span.until.iter().map(|until| match until {
                Until::Fixed(fixed) => format!("<{fixed}"),
                Until::Last(last) => format!("<={last}"),
            });
            let words: Vec<String> = from.chain(until).collect();
            if words.is_empty() { "*".to_owned() } else { words.join(" ") }
        });
        formatter.write_str(&spans.collect::<Vec<_>>().join(" || "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(range: &str, version: &str) -> bool {
        Range::parse(range).unwrap().has(&parse(version).unwrap())
    }

    #[test]
    fn a_version_is_in_a_range_as_go_and_cargo_order_them() {
        for (range, inside, outside) in [
            ("<1.19.15 || >=1.20.0 <1.20.11", "v1.20.2", "v1.20.11"),
            ("<0.0.0-20210520170846-37e1c6afe023", "v0.0.0-20201110031124-69a78807bb2b", "v0.7.0"),
            (">=1.20.0-0 <1.20.3", "1.20.0-rc1", "1.19.8"),
            ("<=3.4.44", "3.4.23", "3.4.45"),
            ("*", "0.0.1", ""),
            ("<2.8.0", "v2.7.1+incompatible", "v2.8.0+incompatible"),
            ("<1.21", "1.20.9", "1.21"),
        ] {
            assert!(has(range, inside), "{inside} is in {range}");
            assert!(outside.is_empty() || !has(range, outside), "{outside} is not in {range}");
        }
    }

    #[test]
    fn osv_s_events_make_the_spans_between_them_in_any_order() {
        let version = |text: &str| parse(text).unwrap();
        let range = Range::of_events(vec![
            Event::Fixed(version("1.20.3")),
            Event::Introduced(None),
            Event::Introduced(Some(version("1.20.0-0"))),
            Event::Fixed(version("1.19.8")),
        ]);
        assert_eq!(range.to_string(), "<1.19.8 || >=1.20.0-0 <1.20.3");
        assert_eq!(Range::of_events(vec![Event::Introduced(None)]).to_string(), "*");
        let last = Range::of_events(vec![Event::Introduced(None), Event::LastAffected(version("1.0.0"))]);
        assert!(last.has(&version("1.0.0")) && !last.has(&version("1.0.1")));
        assert_eq!(Range::parse(&range.to_string()).unwrap(), range, "what is printed is read again");
    }

    #[test]
    fn what_is_no_range_is_named() {
        for text in ["", "1.2.3", "<x", ">=1.0 ||"] {
            let error = format!("{:#}", Range::parse(text).unwrap_err());
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
