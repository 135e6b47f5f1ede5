//! Whether this machine's kernel runs linux/386 programs: asked by running one.

use std::{fs, os::unix::fs::PermissionsExt};

use common::command::Program;

/// A whole static program: an ELF header, one segment, and `exit(0)`.
const EXIT: [u8; 93] = [
    // ELF32, little-endian, executable, EM_386; entry 0x08048054, one program header at 52.
    0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0x80, 0x04, 0x08, 52, 0, 0, 0, //
    0, 0, 0, 0, 0, 0, 0, 0, 52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0, //
    // PT_LOAD of the whole file at 0x08048000, readable and executable.
    1, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x80, 0x04, 0x08, 0x00, 0x80, 0x04, 0x08, //
    93, 0, 0, 0, 93, 0, 0, 0, 5, 0, 0, 0, 0, 0x10, 0, 0, //
    // mov eax, 1; xor ebx, ebx; int 0x80
    0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80,
];

pub fn runs_linux_386() -> bool {
    let run = || -> anyhow::Result<bool> {
        let directory = tempfile::tempdir()?;
        let program = directory.path().join("exit");
        fs::write(&program, EXIT)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(Program::new(program, "know whether the kernel runs linux/386")?.output()?.status.success())
    };
    run().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_a_static_one_for_linux_386() {
        swix::elf::check("exit", &EXIT, common::Arch::I386).unwrap();
    }
}
