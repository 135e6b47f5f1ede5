//! The labels of an object, in no more memory than their text takes: a map of them costs more than the pod that has them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// By key, and in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSet(Box<[(Box<str>, Box<str>)]>);

impl LabelSet {
    pub fn get(&self, key: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(other, _)| (**other).cmp(key)).ok()?;
        Some(&*self.0.get(place)?.1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<BTreeMap<String, String>> for LabelSet {
    fn from(labels: BTreeMap<String, String>) -> Self {
        LabelSet(labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_by_their_keys_and_written_as_an_object() {
        let labels = [("tier", "front"), ("app", "web"), ("k8s.io/x", "")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let labels = LabelSet::from(BTreeMap::from(labels));
        assert_eq!((labels.get("app"), labels.get("k8s.io/x"), labels.get("gone")), (Some("web"), Some(""), None));
        assert!(!labels.is_empty() && LabelSet::default().is_empty());
        assert_eq!(serde_json::to_string(&labels).unwrap(), r#"{"app":"web","k8s.io/x":"","tier":"front"}"#);
    }
}
