//! What the suite says of a spec when it has ended: a line of JSON among everything else that it prints.

use serde::Deserialize;

/// A spec that has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub name: String,
    pub passed: bool,
}

#[derive(Deserialize)]
struct Line {
    msg: String,
}

/// None of a line that is about something else.
pub fn ended(line: &str) -> Option<Ended> {
    let json = line.trim_start().strip_prefix('{').map(|_| line.trim())?;
    let msg = serde_json::from_str::<Line>(json).ok()?.msg;
    let (word, name) = msg.split_once(' ')?;
    let passed = match word {
        "PASSED" => true,
        "FAILED" => false,
        _ => return None,
    };
    Some(Ended { name: name.to_owned(), passed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_spec_is_news() {
        let line = |msg: &str| {
            format!(r#"{{"msg":"{msg}","total":-1,"completed":3,"skipped":120,"failed":1,"failures":["a"]}}"#)
        };
        let name = "[sig-network] DNS should answer [Conformance]".to_owned();
        assert_eq!(ended(&line(&format!("PASSED {name}"))), Some(Ended { name: name.clone(), passed: true }));
        assert_eq!(ended(&line(&format!("FAILED {name}"))), Some(Ended { name, passed: false }));
        for other in ["", "{", "PASSED by", &line("Test Suite starting"), &line("Test Suite completed")] {
            assert_eq!(ended(other), None, "{other}");
        }
    }
}
