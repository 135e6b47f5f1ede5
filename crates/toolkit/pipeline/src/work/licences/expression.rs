//! SPDX expressions put together.

use std::collections::BTreeSet;

/// What is under all of these: each licence that is demanded once, each choice in parentheses.
pub(crate) fn all_of<'e>(expressions: impl Iterator<Item = &'e str>) -> String {
    let demanded: BTreeSet<String> = expressions.flat_map(demanded).collect();
    demanded.into_iter().collect::<Vec<_>>().join(" AND ")
}

/// The parts of an expression of which every one is demanded.
fn demanded(expression: &str) -> Vec<String> {
    let choices = outside(expression, " OR ");
    if choices.len() > 1 {
        let mut choices: Vec<&str> = choices.into_iter().map(without_parentheses).collect();
        choices.sort_unstable();
        // The same choice, however it is written.
        let written: Vec<String> = choices.into_iter().map(in_parentheses).collect();
        return vec![format!("({})", written.join(" OR "))];
    }
    let parts = outside(expression, " AND ");
    match parts.as_slice() {
        [one] if without_parentheses(one) == *one => vec![(*one).to_owned()],
        _ => parts.into_iter().flat_map(|part| demanded(without_parentheses(part))).collect(),
    }
}

fn in_parentheses(expression: &str) -> String {
    match outside(expression, " AND ").len() {
        1 => expression.to_owned(),
        _ => format!("({expression})"),
    }
}

/// The parts between a word, where that is in no parentheses.
fn outside<'e>(expression: &'e str, word: &str) -> Vec<&'e str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in expression.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && at >= begin && expression[at..].starts_with(word) => {
                parts.push(expression[begin..at].trim());
                begin = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(expression[begin..].trim());
    parts
}

/// Without the pair that is around all of it.
fn without_parentheses(expression: &str) -> &str {
    let expression = expression.trim();
    let Some(inside) = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else { return expression };
    let mut depth = 1_usize;
    for letter in inside.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return expression;
        }
    }
    without_parentheses(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_licence_stands_once_and_a_choice_stays_one() {
        let all = |of: &[&str]| all_of(of.iter().copied());
        assert_eq!(all(&["MIT", "Apache-2.0", "MIT"]), "Apache-2.0 AND MIT");
        assert_eq!(all(&["MIT OR Apache-2.0", "Apache-2.0 OR MIT", "MIT"]), "(Apache-2.0 OR MIT) AND MIT");
        assert_eq!(all(&["(MIT OR Apache-2.0) AND Unicode-3.0"]), "(Apache-2.0 OR MIT) AND Unicode-3.0");
        assert_eq!(all(&["MIT AND (Apache-2.0 AND ISC)"]), "Apache-2.0 AND ISC AND MIT");
        assert_eq!(all(&["A OR (B AND C)", "(A) OR B"]), "(A OR (B AND C)) AND (A OR B)");
        assert_eq!(
            all(&["GPL-3.0-or-later WITH GCC-exception-3.1", "Apache-2.0 WITH LLVM-exception OR MIT"]),
            "(Apache-2.0 WITH LLVM-exception OR MIT) AND GPL-3.0-or-later WITH GCC-exception-3.1"
        );
        assert_eq!(all(&["(MIT OR A) AND (MIT OR B)"]), "(A OR MIT) AND (B OR MIT)");
    }
}
