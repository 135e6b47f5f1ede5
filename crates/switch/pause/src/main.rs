//! The pause container's only process: it holds a pod's namespaces open, reaps the orphans that are handed to it as the
//! pod's first process, and ends at SIGINT or SIGTERM.
//!
//! It has to be small. So it starts at C's `main` and goes without the part of std that costs: nothing here formats,
//! allocates or can panic, and the linker then leaves all the rest of std out.
#![no_main]

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;

const VERSION: &str = concat!("pause ", env!("CARGO_PKG_VERSION"), "\n");
const NOT_FIRST: &str = "Warning: pause should be the first process\n";

// SAFETY: no other function of this program is called main.
#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let signals = hold_signals();
    if wants_version(argc, argv) {
        say(libc::STDOUT_FILENO, VERSION);
        return 0;
    }
    if std::process::id() != 1 {
        say(libc::STDERR_FILENO, NOT_FIRST);
    }
    loop {
        reap();
        if let libc::SIGINT | libc::SIGTERM = next_signal(&signals) {
            return 0;
        }
    }
}

/// Holds back the signals that `next_signal` takes one by one, so that none is lost between two calls or before the first.
fn hold_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set before anything reads it; the signals are valid.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD] {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
        set.assume_init()
    }
}

/// Sleeps until one of the held signals arrives; -1 when something else woke it, such as SIGCONT after SIGSTOP.
fn next_signal(signals: &libc::sigset_t) -> c_int {
    // SAFETY: the set is initialised, and a null info says that only the signal's number is desired.
    unsafe { libc::sigwaitinfo(signals, ptr::null_mut()) }
}

/// Reaps every child that has ended: any number of them may stand behind one SIGCHLD.
fn reap() {
    // SAFETY: a null status is allowed, and says that nobody wants it.
    while unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

fn wants_version(argc: c_int, argv: *const *const c_char) -> bool {
    (1..argc as usize).any(|i| {
        // SAFETY: the C runtime hands over argc strings, each ending in a zero byte.
        let argument = unsafe { CStr::from_ptr(*argv.add(i)) };
        argument == c"-v" || argument == c"--version"
    })
}

/// Writes without minding the outcome: there is nobody to tell.
fn say(stream: c_int, text: &str) {
    // SAFETY: the pointer and the length are those of one string.
    unsafe { libc::write(stream, text.as_ptr().cast(), text.len()) };
}
