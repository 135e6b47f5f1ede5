//! Upstream's kube-proxy in userspace mode asks for 64,000 open files, and ends where it may not have them, as on machines that withhold
//! `CAP_SYS_RESOURCE`. It never needs them here, so it is told that it has them.

use std::{io, os::unix::process::CommandExt, process::Command};

/// From Linux' audit.h, and the system calls of i386.
const ARCH_I386: u32 = 0x4000_0003;
const SETRLIMIT: u32 = 75;
const PRLIMIT64: u32 = 340;

/// Where in the kernel's description of a call its number, its architecture and its third argument are.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const THIRD_ARGUMENT: u32 = 32;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// 32-bit programs that the command starts succeed in setting limits, and nothing is set.
pub fn pretend_limits_are_set(command: &mut Command) {
    // SAFETY: between fork and exec the closure does nothing but two system calls; it allocates nothing.
    unsafe { command.pre_exec(install) };
}

fn install() -> io::Result<()> {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let jump = |k, jt, jf| libc::sock_filter { code: IF_EQUAL, jt, jf, k };
    let mut filter = [
        statement(LOAD, ARCHITECTURE),
        jump(ARCH_I386, 0, 6),
        statement(LOAD, NUMBER),
        jump(SETRLIMIT, 3, 0),
        jump(PRLIMIT64, 0, 3),
        // prlimit64 sets where it is given new limits, and only tells else.
        statement(LOAD, THIRD_ARGUMENT),
        jump(0, 1, 0),
        statement(RETURN, libc::SECCOMP_RET_ERRNO),
        statement(RETURN, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: `program` and what it points to live until the call returns, and the kernel copies it.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
