//! Tables and chains, as `iptables-save` prints them; the legacy and the nft program print the same.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::rule::Rule;

/// A chain: what happens at its end, if it is one of the kernel's, and its rules.
#[derive(Debug, Clone, Default)]
pub struct SimulatedChain {
    /// `ACCEPT` or `DROP`; chains that are jumped to have none.
    pub policy: Option<String>,
    pub rules: Vec<Rule>,
}

/// All tables, by name, with their chains, by name.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    tables: BTreeMap<String, BTreeMap<String, SimulatedChain>>,
}

impl Rules {
    /// Reads what `iptables-save` printed.
    pub fn parse(text: &str) -> Result<Rules> {
        let mut rules = Rules::default();
        let mut table = None;
        for (number, line) in text.lines().enumerate() {
            let wrong = || format!("line {} of iptables-save cannot be simulated: {line}", number + 1);
            match line.split_at_checked(1) {
                None | Some(("#", _)) => {}
                Some(("*", name)) => {
                    rules.tables.entry(name.to_owned()).or_default();
                    table = Some(name.to_owned());
                }
                Some((":", chain)) => rules.declare(table.as_deref(), chain).with_context(wrong)?,
                Some(("-", _)) => rules.append(table.as_deref(), line).with_context(wrong)?,
                Some(_) if line == "COMMIT" => table = None,
                Some(_) => bail!(wrong()),
            }
        }
        Ok(rules)
    }

    fn table(&mut self, name: Option<&str>) -> Result<&mut BTreeMap<String, SimulatedChain>> {
        self.tables.get_mut(name.unwrap_or_default()).context("it is in no table")
    }

    fn declare(&mut self, table: Option<&str>, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let (name, policy) = words.next().zip(words.next()).context("a chain has a name and a policy")?;
        let policy = (policy != "-").then(|| policy.to_owned());
        self.table(table)?.insert(name.to_owned(), SimulatedChain { policy, rules: vec![] });
        Ok(())
    }

    fn append(&mut self, table: Option<&str>, line: &str) -> Result<()> {
        let words = words(line)?;
        let ["-A", name, rest @ ..] = &words.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
            bail!("it is not `-A chain …`");
        };
        let rule = Rule::parse(rest)?;
        self.table(table)?.get_mut(*name).context("it is in a chain that was not declared")?.rules.push(rule);
        Ok(())
    }

    /// A chain; `None` where the table does not have it, which is how empty tables are printed.
    pub fn chain(&self, table: &str, name: &str) -> Option<&SimulatedChain> {
        self.tables.get(table)?.get(name)
    }
}

/// The words of a line; quotes keep spaces, a backslash keeps what follows it.
fn words(line: &str) -> Result<Vec<String>> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().push(characters.next().context("it ends with a backslash")?),
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    if quoted {
        bail!("a quote is not closed");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_spaces_outside_of_quotes() {
        assert_eq!(
            words(r#"-A X --comment "a \"b\" c" -j Y"#).unwrap(),
            ["-A", "X", "--comment", "a \"b\" c", "-j", "Y"]
        );
        assert_eq!(words(r#"--comment """#).unwrap(), ["--comment", ""]);
        assert!(words("\"open").is_err());
    }

    #[test]
    fn a_rule_that_is_not_understood_is_an_error_that_quotes_it() {
        for rule in [
            "-A INPUT -m bpf --object-pinned x -j DROP",
            "-A INPUT -j TPROXY",
            "-A INPUT --unknown",
            "-A OTHER -j DROP",
        ] {
            let error =
                format!("{:#}", Rules::parse(&format!("*filter\n:INPUT ACCEPT [0:0]\n{rule}\nCOMMIT\n")).unwrap_err());
            assert!(error.contains(rule), "{error}");
        }
    }
}
