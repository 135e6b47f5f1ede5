//! A secret that a person types at the terminal, which does not show it, and shows again what is typed, also after Ctrl-C.

use std::{
    io::{self, IsTerminal, Read, Write},
    os::fd::AsFd,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

/// What a terminal sends for Ctrl-C. While a secret is typed it is the end of a line and no signal: a program that a signal ends leaves
/// a terminal that shows nothing any more.
const CTRL_C: u8 = 3;

/// The longest line that a terminal gives.
const LONGEST: usize = 4096;

/// Asks at standard input. `else_give` is what to do where there is no terminal.
pub fn ask_unseen(prompt: &str, else_give: &str) -> Result<String> {
    let input = io::stdin();
    ensure!(input.is_terminal(), "there is no terminal to ask at: {else_give}");
    // The lock is for this line alone; nothing else of this program reads what a person types meanwhile.
    ask_on(input.lock(), prompt)
}

fn ask_on(mut input: impl Read + AsFd, prompt: &str) -> Result<String> {
    let before = tcgetattr(&input).context("cannot ask for the terminal's modes")?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    quiet.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
    tcsetattr(&input, OptionalActions::Flush, &quiet).context("cannot keep the terminal from showing what is typed")?;
    let told = write!(io::stderr(), "{prompt}").and_then(|()| io::stderr().flush());
    let mut line = [0; LONGEST];
    let read = told.and_then(|()| input.read(&mut line));
    let restored = tcsetattr(&input, OptionalActions::Flush, &before);
    // The end of the line was not shown either.
    let _ = writeln!(io::stderr());
    restored.context("cannot give the terminal its modes back")?;
    let line = &line[..read.context("cannot read what is typed")?];
    match line.split_last() {
        None => bail!("nothing was typed"),
        Some((&CTRL_C, _)) => bail!("interrupted: nothing was done"),
        Some((b'\n', [])) => bail!("an empty line was typed"),
        Some((b'\n', typed)) => Ok(std::str::from_utf8(typed).context("what was typed is no UTF-8")?.to_owned()),
        Some(_) => {
            bail!("what was typed has no end of its line, or is longer than a terminal's line: nothing was done")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::OwnedFd, thread, time::Duration};

    use rustix::{
        fs::{Mode, OFlags, open},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };

    use super::*;

    /// What comes of what a person types, and what the terminal has shown.
    fn typed(keys: &'static [u8]) -> (Result<String>, Vec<u8>) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, vec![]).unwrap();
        let terminal = || -> OwnedFd { open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap() };
        let (input, left) = (File::from(terminal()), terminal());
        let before = tcgetattr(&left).unwrap();
        let mut person = File::from(person);
        let mut keyboard = person.try_clone().unwrap();
        let typing = thread::spawn(move || {
            // What is typed before the terminal is quiet is thrown away.
            thread::sleep(Duration::from_millis(200));
            keyboard.write_all(keys).unwrap();
        });
        let asked = ask_on(input, "secret: ");
        typing.join().unwrap();
        let after = tcgetattr(&left).unwrap();
        assert_eq!((after.local_modes, after.special_codes[SpecialCodeIndex::VEOL]), {
            (before.local_modes, before.special_codes[SpecialCodeIndex::VEOL])
        });
        // So that there is something to read where nothing was shown.
        rustix::io::write(&left, b"end").unwrap();
        let mut shown = [0; 64];
        let count = person.read(&mut shown).unwrap();
        (asked, shown[..count].to_vec())
    }

    #[test]
    fn what_is_typed_is_taken_and_not_shown() {
        let (asked, shown) = typed(b"correct horse\n");
        assert_eq!((asked.unwrap().as_str(), shown.as_slice()), ("correct horse", b"end".as_slice()));
    }

    #[test]
    fn ctrl_c_ends_it_and_the_terminal_shows_again_what_is_typed() {
        for (keys, says) in [(&b"corr\x03"[..], "interrupted"), (b"\n", "an empty line"), (b"\xff\n", "no UTF-8")] {
            let (asked, shown) = typed(keys);
            let error = format!("{:#}", asked.unwrap_err());
            assert!(error.contains(says) && shown == b"end", "{error}: {shown:?}");
        }
    }
}
