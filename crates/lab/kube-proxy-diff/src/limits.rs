//! A resource limit that upstream's userspace mode insists on: 64,000 open files. Where this machine grants fewer and nobody may
//! raise that, it ends at once, whether or not it would ever open so many.

use std::{io, os::unix::process::CommandExt, process::Command};

use rustix::process::{Resource, getrlimit};

/// What upstream asks for, in its userspace mode only.
const OPEN_FILES: u64 = 64_000;

const PRLIMIT64_386: u32 = 340;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;

/// Where fewer open files may be had than upstream asks for: lets a linux/386 program believe that the limits which it sets are set.
pub fn pretend_where_needed(command: &mut Command) {
    if getrlimit(Resource::Nofile).maximum.is_none_or(|most| most >= OPEN_FILES) {
        return;
    }
    // SAFETY: between fork and exec, only one system call is made; nothing is allocated.
    unsafe { command.pre_exec(answer_with_success) };
}

/// From here on, setting a limit does nothing and succeeds; asking for one works as ever.
fn answer_with_success() -> io::Result<()> {
    use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
    let op = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    // Offsets are those of `struct seccomp_data`: the number, the architecture, and the third argument's lower half.
    let mut filter = [
        op(BPF_LD | BPF_W | BPF_ABS, 4, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 5),
        op(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, PRLIMIT64_386, 0, 3),
        op(BPF_LD | BPF_W | BPF_ABS, 32, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        op(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO, 0, 0),
        op(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until the call is over.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
