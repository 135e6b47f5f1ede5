//! What serde finds wrong in a file, in words of the file: whoever wrote it knows no fields, variants or types.

/// The words, without the place, which the caller knows.
pub fn of_serde(message: &str) -> String {
    let after = |begin: &str| message.strip_prefix(begin);
    if let Some(key) = after("missing field ") {
        return format!("{key} is missing");
    }
    if let Some(key) = after("duplicate field ") {
        return format!("{key} stands twice");
    }
    if let Some((key, known)) = after("unknown field ").and_then(|rest| rest.split_once(", ")) {
        return match expected(known) {
            Some(known) => format!("there is no {key} here, but {known}"),
            None => format!("there is no {key} here, nor anything else"),
        };
    }
    if let Some((value, known)) = after("unknown variant ").and_then(|rest| rest.split_once(", ")) {
        return match expected(known) {
            Some(known) => format!("{value} is none of {known}"),
            None => format!("{value} cannot be written here"),
        };
    }
    let value = after("invalid type: ").or_else(|| after("invalid value: "));
    if let Some((found, wanted)) = value.and_then(|rest| rest.rsplit_once(", expected ")) {
        return format!("{found} stands where {} belongs", kind(wanted));
    }
    message.to_owned()
}

/// The names that are known; serde says it in one way of one, of two and of more.
fn expected(known: &str) -> Option<&str> {
    known.strip_prefix("expected one of ").or_else(|| known.strip_prefix("expected "))
}

/// What a value has to be.
fn kind(wanted: &str) -> String {
    match wanted {
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "a boolean" => "true or false".to_owned(),
        other => match other.strip_prefix("struct ") {
            Some(_) => "a table".to_owned(),
            None if ["u8", "u16", "u32", "u64", "i32", "i64", "usize"].contains(&other) => "a number".to_owned(),
            None => other.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is wrong is looked at")]
    struct File {
        name: String,
        #[serde(default)]
        size: u16,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        parts: Vec<Kind>,
        #[serde(default)]
        more: BTreeMap<String, String>,
        part: Option<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {}

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Leaf,
        Spine,
    }

    #[test]
    fn what_serde_says_is_said_in_words_of_the_file() {
        for (file, expected) in [
            (json!({}), "`name` is missing"),
            (
                json!({"name": "a", "nme": 1}),
                "there is no `nme` here, but `name`, `size`, `on`, `parts`, `more`, `part`",
            ),
            (json!({"name": "a", "part": {"x": 1}}), "there is no `x` here, nor anything else"),
            (json!({"name": 5}), "integer `5` stands where a string belongs"),
            (json!({"name": "a", "size": "x"}), "string \"x\" stands where a number belongs"),
            (json!({"name": "a", "size": 70000}), "integer `70000` stands where a number belongs"),
            (json!({"name": "a", "on": 1}), "integer `1` stands where true or false belongs"),
            (json!({"name": "a", "parts": "leaf"}), "string \"leaf\" stands where a list belongs"),
            (json!({"name": "a", "more": 1}), "integer `1` stands where a table belongs"),
            (json!({"name": "a", "part": 1}), "integer `1` stands where a table belongs"),
            (json!({"name": "a", "parts": ["root"]}), "`root` is none of `leaf` or `spine`"),
        ] {
            let said = serde_json::from_value::<File>(file).unwrap_err().to_string();
            assert_eq!(of_serde(&said), expected, "{said}");
        }
        let twice = serde_json::from_str::<File>("{\"name\": \"a\", \"name\": \"b\"}").unwrap_err().to_string();
        assert!(of_serde(&twice).starts_with("`name`") && of_serde(&twice).contains("stands twice"), "{twice}");
        assert_eq!(of_serde("unclosed table, expected `]`"), "unclosed table, expected `]`");
    }
}
