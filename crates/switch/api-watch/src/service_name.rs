//! What a Service is called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Service's namespace and name, written `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ServiceName {
    pub namespace: Box<str>,
    pub name: Box<str>,
}

impl ServiceName {
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for ServiceName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (namespace, name) = text.split_once('/').ok_or("no slash in a Service's name")?;
        Ok(Self::new(namespace, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_as_it_is_written() {
        let web = ServiceName::new("shop", "web");
        assert_eq!(serde_json::to_string(&web).unwrap(), r#""shop/web""#);
        assert_eq!(serde_json::from_str::<ServiceName>(r#""shop/web""#).unwrap(), web);
        assert!(serde_json::from_str::<ServiceName>(r#""web""#).is_err());
    }
}
