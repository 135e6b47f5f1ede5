//! What a program prints, for someone who may have heard enough (`| head`): there, the standard library's macros panic.
//! A program takes these in their place, under the same names, with
//! `#[macro_use(eprintln, print, println)] extern crate common;` in its main.rs. Clippy refuses the others.

use std::{
    fmt::Arguments,
    io::{self, ErrorKind, Write},
    sync::OnceLock,
};

/// What a program does where what it prints cannot be written.
static THEN: OnceLock<fn(&io::Error)> = OnceLock::new();

/// Says what the program does where what it prints cannot be written, once. A program that does not say it goes on with
/// its work, which is right for what changes something, and for a daemon.
pub fn when_not_written(then: fn(&io::Error)) {
    let _ = THEN.set(then);
}

#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::output::to_stdout(::std::format_args!($($text)*)) };
}

#[macro_export]
macro_rules! println {
    () => { $crate::output::to_stdout(::std::format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::to_stdout(::std::format_args!("{}\n", ::std::format_args!($($text)*))) };
}

#[macro_export]
macro_rules! eprintln {
    () => { $crate::output::to_stderr(::std::format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::to_stderr(::std::format_args!("{}\n", ::std::format_args!($($text)*))) };
}

pub fn to_stdout(text: Arguments<'_>) {
    // The lock is given back first: what is done about it may print.
    let written = write(&mut io::stdout().lock(), text);
    if let Err(error) = written {
        // Nobody who hears no more is missed; a disk that is full is.
        if error.kind() != ErrorKind::BrokenPipe {
            to_stderr(format_args!("cannot write to standard output: {error}\n"));
        }
        then(&error);
    }
}

pub fn to_stderr(text: Arguments<'_>) {
    let written = write(&mut io::stderr().lock(), text);
    if let Err(error) = written {
        then(&error);
    }
}

/// In one go, so that lines of several threads do not mix.
fn write(to: &mut dyn Write, text: Arguments<'_>) -> io::Result<()> {
    to.write_all(text.to_string().as_bytes())?;
    to.flush()
}

fn then(error: &io::Error) {
    if let Some(then) = THEN.get() {
        then(error);
    }
}
