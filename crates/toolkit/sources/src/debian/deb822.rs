//! Debian's paragraphs of `Field: value`: apt's sources in their newer form, and what apt prints of packages.

/// One paragraph. A value's further lines are kept with their indentation.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Stanza {
    pub(crate) fields: Vec<(String, String)>,
}

impl Stanza {
    /// The value of a field; upper and lower case do not count in names.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        self.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }
}

pub(crate) fn parse(text: &str) -> Vec<Stanza> {
    let mut stanzas = vec![Stanza::default()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let last = stanzas.len() - 1;
        if line.trim().is_empty() {
            if !stanzas[last].fields.is_empty() {
                stanzas.push(Stanza::default());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanzas[last].fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            stanzas[last].fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    stanzas.retain(|stanza| !stanza.fields.is_empty());
    stanzas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_comments_and_further_lines_are_told_apart() {
        let stanzas = parse("# all\n\nTypes: deb\n# between\nSigned-By:\n -----BEGIN\n .\n xyz\n\n\nTypes: deb-src\n");
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].get("signed-by"), Some("\n -----BEGIN\n .\n xyz"));
        assert_eq!(stanzas[1].words("Types"), ["deb-src"]);
    }
}
