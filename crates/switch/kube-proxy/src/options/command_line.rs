//! Reads the command line, flag by flag, and makes `--help`.

use std::ffi::OsString;
use std::fmt::Write as _;

use lexopt::Arg;

use super::flags::FLAGS;
use super::{Draft, UsageError, absent, values};
use api_watch::access::shown;

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    pub name: &'static str,
    pub kind: Kind,
    /// What holds if it is not given, as it would be written.
    pub default: &'static str,
    /// Whether it counts beside a configuration file.
    pub beside_config: bool,
    pub help: &'static str,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// `--name` or `--name=true`
    Switch(fn(&mut Draft, bool) -> Result<(), String>),
    /// `--name=value` or `--name value`; the text is what `--help` calls the value.
    Value(&'static str, fn(&mut Draft, &str) -> Result<(), String>),
}

impl Flag {
    /// Writes what `text` means into `draft`.
    pub fn apply(&self, draft: &mut Draft, text: &str) -> Result<(), String> {
        match self.kind {
            Kind::Switch(set) => set(draft, values::boolean(text)?),
            Kind::Value(_, set) => set(draft, text),
        }
    }
}

/// Reads the command line, which is without the program's name.
pub(super) fn read(arguments: Vec<OsString>) -> Result<Draft, UsageError> {
    let mut draft = Draft::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(unreadable)? {
        let name = match argument {
            Arg::Long(name) => name.replace('_', "-"),
            Arg::Short('v') => "v".to_owned(),
            Arg::Short('h') => "help".to_owned(),
            Arg::Short(other) => return Err(absent::unknown(&format!("-{other}"))),
            Arg::Value(value) => {
                return Err(UsageError(format!(
                    "{:?} is no flag: flags begin with --, and take their value after =",
                    shown(&value.to_string_lossy())
                )));
            }
        };
        let flag = FLAGS.iter().find(|flag| flag.name == name);
        let no_effect = absent::find(&name);
        let takes_value = match (flag, no_effect) {
            (Some(flag), _) => matches!(flag.kind, Kind::Value(..)),
            (None, Some(no_effect)) => no_effect.takes_value,
            (None, None) => return Err(absent::unknown(&format!("--{}", shown(&name)))),
        };
        let value = if takes_value {
            parser.value().map_err(|_| UsageError(format!("--{name} needs a value: --{name}=...")))?
        } else {
            parser.optional_value().unwrap_or_else(|| "true".into())
        };
        // It is not shown, as it may be an address with a password.
        let value = value.into_string().map_err(|_| UsageError(format!("--{name} has a value that is not UTF-8")))?;
        if let Some(flag) = flag {
            apply(flag, &mut draft, &value)?;
        } else if let Some(no_effect) = no_effect.filter(|_| absent::asks_for_something(&value)) {
            draft.without_effect.push(format!("--{name} has no effect: {}", no_effect.why));
        }
    }
    match draft.wrong.take() {
        // The file decides, whatever is wrong with what it decides against.
        Some(wrong) if draft.config.is_none() => Err(wrong),
        _ => Ok(draft),
    }
}

/// Writes what a flag says into `draft`. What is wrong with one that does not count beside a configuration file waits until it is known whether
/// there is one.
fn apply(flag: &'static Flag, draft: &mut Draft, value: &str) -> Result<(), UsageError> {
    draft.given.push(flag);
    let Err(why) = flag.apply(draft, value) else { return Ok(()) };
    let wrong = UsageError(format!("--{}={value} {why}", flag.name));
    if flag.beside_config {
        return Err(wrong);
    }
    draft.wrong.get_or_insert(wrong);
    Ok(())
}

fn unreadable(error: lexopt::Error) -> UsageError {
    UsageError(error.to_string())
}

/// What `--help` prints.
pub fn help() -> String {
    let left: Vec<String> = FLAGS
        .iter()
        .map(|flag| match flag.kind {
            Kind::Switch(_) => format!("--{}", flag.name),
            Kind::Value(value, _) => format!("--{}={value}", flag.name),
        })
        .collect();
    let width = left.iter().map(String::len).max().unwrap_or_default();
    let mut text = "\
Makes a node's traffic to Kubernetes Services reach their endpoints.

    kube-proxy [--flag=value ...]

Flags, as those of upstream's kube-proxy:

"
    .to_owned();
    for (flag, left) in FLAGS.iter().zip(left) {
        let default = match flag.default {
            "" | "false" => String::new(),
            default => format!(" [default: {default}]"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {left:width$}  {}{default}", flag.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn an_address_that_is_misplaced_does_not_show_its_password() {
        for (line, says) in [
            (&[&b"--master"[..], b"https://h", b"https://u:SECRET@h"][..], "\"https://…@h\" is no flag"),
            (&[b"https://h?token=SECRET"], "\"https://h…\" is no flag"),
            (&[b"--master=https://u:SECRET\xff@h"], "--master"),
            (&[b"--master:https://u:SECRET@h"], "…@h"),
        ] {
            let line = line.iter().map(|argument| OsString::from_vec(argument.to_vec())).collect();
            let error = read(line).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(says) && !error.contains("SECRET"), "{error}");
        }
    }
}
