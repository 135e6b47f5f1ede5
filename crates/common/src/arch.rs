//! One architecture, and what each tool calls it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A target architecture of the switch. EOS has a 64-bit kernel; its userland is 32-bit on most
/// releases (`386`) and 64-bit on the EOS64 images (`amd64`). Named as Go names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Arch {
    #[serde(rename = "386")]
    I386,
    #[serde(rename = "amd64")]
    Amd64,
}

impl Arch {
    pub const ALL: [Arch; 2] = [Arch::I386, Arch::Amd64];

    /// `GOARCH`; also the architecture in a container image's configuration and in file names.
    pub fn goarch(self) -> &'static str {
        match self {
            Arch::I386 => "386",
            Arch::Amd64 => "amd64",
        }
    }

    /// The Rust target for static programs.
    pub fn rust_triple(self) -> &'static str {
        match self {
            Arch::I386 => "i686-unknown-linux-musl",
            Arch::Amd64 => "x86_64-unknown-linux-musl",
        }
    }

    /// RPM's name. EOS' 32-bit images are built as i686.
    pub fn rpm(self) -> &'static str {
        match self {
            Arch::I386 => "i686",
            Arch::Amd64 => "x86_64",
        }
    }

    /// `e_machine` of the ELF header: EM_386 or EM_X86_64.
    pub fn elf_machine(self) -> u16 {
        match self {
            Arch::I386 => 3,
            Arch::Amd64 => 62,
        }
    }

    /// Whether programs are ELFCLASS64.
    pub fn is_64_bit(self) -> bool {
        self == Arch::Amd64
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.goarch())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("unknown architecture {0:?}: expected 386 or amd64")]
pub struct UnknownArch(String);

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(name: &str) -> Result<Self, UnknownArch> {
        Arch::ALL.into_iter().find(|arch| arch.goarch() == name).ok_or_else(|| UnknownArch(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_the_same_architecture() {
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse::<Arch>().unwrap(), arch);
        }
    }

    #[test]
    fn an_unknown_name_says_which_are_known() {
        let error = "arm64".parse::<Arch>().unwrap_err().to_string();
        assert!(error.contains("arm64") && error.contains("386 or amd64"), "{error}");
    }
}
