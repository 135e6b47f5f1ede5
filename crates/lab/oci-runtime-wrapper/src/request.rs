//! What the caller asks of the runtime, as far as it matters here: where the process is described.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The file that describes the process which is to be started.
#[derive(Debug, PartialEq, Eq)]
pub enum Described {
    /// A bundle's configuration, which has the process as one of its fields.
    Config(PathBuf),
    /// The process alone.
    Process(PathBuf),
}

impl Described {
    pub fn file(&self) -> &Path {
        match self {
            Described::Config(file) | Described::Process(file) => file,
        }
    }

    /// The process in what was read from the file.
    pub fn process<'a>(&self, description: &'a mut Value) -> Option<&'a mut Value> {
        match self {
            Described::Config(_) => description.get_mut("process"),
            Described::Process(_) => Some(description),
        }
    }
}

/// Where the process is described that these arguments start; none where they start none or spell it out.
pub fn described_in(arguments: &[OsString]) -> Option<Described> {
    let verb = arguments.iter().position(|word| word == "create" || word == "run" || word == "exec")?;
    let (verb, options) = (&arguments[verb], &arguments[verb + 1..]);
    if verb == "exec" {
        return option(options, "--process", "-p").map(Described::Process);
    }
    let bundle = option(options, "--bundle", "-b").unwrap_or_else(|| PathBuf::from("."));
    Some(Described::Config(bundle.join("config.json")))
}

/// The value of an option in any of the forms that runc reads.
fn option(words: &[OsString], long: &str, short: &str) -> Option<PathBuf> {
    words.iter().enumerate().find_map(|(at, word)| {
        let (name, value) = match word.as_bytes().iter().position(|byte| *byte == b'=') {
            Some(equals) => {
                let (name, value) = word.as_bytes().split_at(equals);
                (name, Some(std::ffi::OsStr::from_bytes(&value[1..])))
            }
            None => (word.as_bytes(), words.get(at + 1).map(OsString::as_os_str)),
        };
        // `-bundle` is as good as `--bundle` to runc.
        let known = name == long.as_bytes() || name == &long.as_bytes()[1..] || name == short.as_bytes();
        if known { value.map(PathBuf::from) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Described> {
        described_in(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_process_is_found_in_the_calls_that_containerd_and_people_make() {
        let config = |path: &str| Some(Described::Config(path.into()));
        let process = |path: &str| Some(Described::Process(path.into()));
        assert_eq!(of("--root /r --log-format json create --bundle /b --pid-file /b/p ID"), config("/b/config.json"));
        assert_eq!(of("run -b=/b ID"), config("/b/config.json"));
        assert_eq!(of("run ID"), config("./config.json"));
        assert_eq!(of("--root /r exec --process /tmp/runc-process1 --detach ID"), process("/tmp/runc-process1"));
    }

    #[test]
    fn calls_that_start_nothing_are_left_alone() {
        for line in ["--version", "--root /r state ID", "--root /r delete --force ID", "exec ID sh"] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
