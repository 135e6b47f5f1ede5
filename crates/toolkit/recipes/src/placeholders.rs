//! `{version}` and its like in the strings of a recipe file: what a file says once stands for itself everywhere else in it.
//!
//! - `{version}`, `{major}`, `{minor}`: the file's `version`, and its first two numbers
//! - `{commit}`: the file's `commit`
//! - `{scratch}`: an empty directory at the time of the build; it is left for the build to fill in
//!
//! Only a word of small letters in braces is one; other braces are the text's own.

use std::{borrow::Cow, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

const AT_BUILD: &str = "scratch";

/// What the placeholders of one file stand for: each, the key it comes from, and its value where the file has that key.
struct Values([(&'static str, &'static str, Option<String>); 4]);

/// Fills them in. The error is a place in the text and what is wrong there.
pub(crate) fn fill(table: &mut DeTable<'_>) -> Result<(), (Range<usize>, String)> {
    let text = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str()).map(str::to_owned);
    let version = text("version");
    let part = |index| version.as_ref().and_then(|version| version.split('.').nth(index)).map(str::to_owned);
    let values = Values([
        ("major", "version", part(0)),
        ("minor", "version", part(1)),
        ("commit", "commit", text("commit")),
        ("version", "version", version.clone()),
    ]);
    table.iter_mut().try_for_each(|(_, value)| values.fill(value))
}

impl Values {
    fn fill(&self, value: &mut Spanned<DeValue<'_>>) -> Result<(), (Range<usize>, String)> {
        let place = value.span();
        match value.get_mut() {
            DeValue::String(text) if text.contains('{') => {
                *text = Cow::Owned(self.filled(text).map_err(|problem| (place, problem))?);
                Ok(())
            }
            DeValue::Array(items) => items.iter_mut().try_for_each(|item| self.fill(item)),
            DeValue::Table(table) => table.iter_mut().try_for_each(|(_, value)| self.fill(value)),
            _ => Ok(()),
        }
    }

    fn filled(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            filled.push_str(before);
            // A word in braces; whatever else has braces is the text's own.
            let word = behind
                .split_once('}')
                .filter(|(name, _)| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()));
            let Some((name, after)) = word else {
                filled.push('{');
                rest = behind;
                continue;
            };
            filled.push_str(&self.value(name)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        if name == AT_BUILD {
            return Ok(format!("{{{AT_BUILD}}}"));
        }
        match self.0.iter().find(|known| known.0 == name) {
            Some((_, _, Some(value))) => Ok(value.clone()),
            Some((_, key, None)) => {
                Err(format!("{{{name}}} comes from the key `{key}`, which does not give it in this file"))
            }
            None => {
                let known = self.0.iter().map(|known| known.0).chain([AT_BUILD]);
                let known: Vec<_> = known.map(|name| format!("{{{name}}}")).collect();
                Err(format!("unknown placeholder {{{name}}}: expected one of {}", known.join(", ")))
            }
        }
    }
}
