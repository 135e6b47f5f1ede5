//! Which objects a client wants: `labelSelector` and `fieldSelector` of a list, as the API server reads them.

use crate::labels::LabelSet;

/// Of labels: all of these are to be so.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    is: Is,
}

#[derive(Debug, PartialEq, Eq)]
enum Is {
    There,
    NotThere,
    In(Vec<String>),
    /// Where it is not there, it is not in either.
    NotIn(Vec<String>),
}

/// Longer than this is no selector of anybody's.
const LONGEST: usize = 16 * 1024;

impl Labels {
    /// An error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a selector of {} bytes is too long", text.len()));
        }
        let mut requirements = Vec::new();
        for part in parts(text)? {
            requirements.push(requirement(part.trim())?);
        }
        Ok(Labels(requirements))
    }

    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.0.iter().all(|Requirement { key, is }| match (is, labels.get(key)) {
            (Is::There, value) => value.is_some(),
            (Is::NotThere, value) => value.is_none(),
            (Is::In(values), value) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            (Is::NotIn(values), value) => value.is_none_or(|value| !values.iter().any(|one| one == value)),
        })
    }
}

/// At the commas that are not in parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut begin, mut inside) = (Vec::new(), 0, false);
    for (place, letter) in text.char_indices() {
        match letter {
            '(' | ')' if inside == (letter == '(') => {
                return Err(format!("{text:?} has parentheses without their like"));
            }
            '(' | ')' => inside = !inside,
            ',' if !inside => {
                parts.push(&text[begin..place]);
                begin = place + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(format!("{text:?} has a parenthesis that is not closed"));
    }
    if begin < text.len() || begin > 0 {
        parts.push(&text[begin..]);
    }
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let made = |key: &str, is| Ok(Requirement { key: checked_key(key.trim())?, is });
    if let Some(set) = part.strip_suffix(')') {
        let (before, values) = set.split_once('(').ok_or_else(|| format!("{part:?} cannot be read"))?;
        let values = values.split(',').map(|value| checked_value(value.trim())).collect::<Result<Vec<_>, _>>()?;
        let mut words = before.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => made(key, Is::In(values)),
            (Some(key), Some("notin"), None) => made(key, Is::NotIn(values)),
            _ => Err(format!("{part:?} is neither KEY in (…) nor KEY notin (…)")),
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return made(key, Is::NotIn(vec![checked_value(value.trim())?]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return made(key, Is::In(vec![checked_value(value.trim())?]));
    }
    match part.strip_prefix('!') {
        Some(key) => made(key, Is::NotThere),
        None => made(part, Is::There),
    }
}

fn checked_key(key: &str) -> Result<String, String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    if key.is_empty() || key.len() > 253 + 1 + 63 || !key.chars().all(is_letter) {
        return Err(format!("{key:?} is no key of a label"));
    }
    Ok(key.to_owned())
}

fn checked_value(value: &str) -> Result<String, String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if value.len() > 63 || !value.chars().all(is_letter) {
        return Err(format!("{value:?} is no value of a label"));
    }
    Ok(value.to_owned())
}

/// Of fields: a name and a namespace are all that there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Field, bool, String)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
}

impl Fields {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut fields = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (field, is, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, true, value)
            } else {
                return Err(format!("{part:?} is no FIELD=VALUE"));
            };
            let field = match field.trim() {
                "metadata.name" => Field::Name,
                "metadata.namespace" => Field::Namespace,
                other => return Err(format!("field label not supported: {other}")),
            };
            fields.push((field, is, value.trim().to_owned()));
        }
        Ok(Fields(fields))
    }

    pub fn matches(&self, namespace: &str, name: &str) -> bool {
        self.0.iter().all(|(field, is, value)| {
            let found = if *field == Field::Name { name } else { namespace };
            (found == value) == *is
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = [("app", "web"), ("tier", "front"), ("k8s.io/x", "")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Labels::parse(selector).unwrap().matches(&LabelSet::from(BTreeMap::from(labels)))
    }

    #[test]
    fn every_form_of_a_selector_of_labels_is_followed() {
        for selector in [
            "",
            "app",
            "!gone",
            "app=web",
            "app==web",
            " app = web , tier != back ",
            "app in (web, db)",
            "app notin (db),tier in (front)",
            "gone notin (x)",
            "gone!=x",
            "k8s.io/x=",
        ] {
            assert!(matches(selector), "{selector:?}");
        }
        for selector in ["gone", "!app", "app=db", "app!=web", "app in (db)", "app notin (web)", "app=web,tier=back"] {
            assert!(!matches(selector), "{selector:?}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for selector in
            [",", "app in web)", "app in (web", "app xin (web)", "a b", "=x", "app=we b", "app=(", "((", "app in (a)) "]
        {
            assert!(Labels::parse(selector).is_err(), "{selector:?}");
        }
        assert!(Labels::parse(&"x".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn fields_are_the_name_and_the_namespace() {
        let matches = |selector: &str| Fields::parse(selector).unwrap().matches("kube-system", "a");
        assert!(matches("") && matches("metadata.name=a") && matches("metadata.name==a,metadata.namespace!=default"));
        assert!(!matches("metadata.name=b") && !matches("metadata.name!=a") && !matches("metadata.namespace=default"));
        assert_eq!(Fields::parse("spec.nodeName=x").unwrap_err(), "field label not supported: spec.nodeName");
        assert!(Fields::parse("metadata.name").is_err());
    }
}
