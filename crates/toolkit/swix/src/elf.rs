//! Executables: class, machine, linking; and whether a switch of an architecture can run one. What they are made of, by their
//! own account: [`go`], [`rust`].

pub mod go;
pub mod rust;

use std::{fmt, path::Path};

use common::Arch;
use object::{
    Endianness, elf,
    read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader},
};
use serde::Serialize;

/// What the headers of an executable say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Elf {
    pub class: Class,
    /// `e_machine`.
    pub machine: u16,
    pub linking: Linking,
    /// Without a symbol table.
    pub stripped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "u8")]
pub enum Class {
    Bits32 = 32,
    Bits64 = 64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Linking {
    /// Starts by itself: no interpreter, no shared library (also where the code is position-independent).
    Static,
    Dynamic {
        interpreter: Option<String>,
        libraries: Vec<String>,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    #[error("cannot read {name}: {error}")]
    Read { name: String, error: std::io::Error },
    #[error("{name} has a table of functions that is damaged, or of a Go whose tables are not known here")]
    FunctionTable { name: String },
    #[error("the list of crates in {name} cannot be read: {error}")]
    Crates { name: String, error: auditable_info::Error },
    #[error("{name} is not an ELF file")]
    NotElf { name: String },
    #[error("{name} is a damaged ELF file: {error}")]
    Damaged { name: String, error: object::Error },
    #[error("{name} is an ELF file but not a program (its type is {kind}; a linker writes 2 or 3)")]
    NotAProgram { name: String, kind: u16 },
    #[error("{name} is a {found} program; a linux/{expected} one is expected")]
    WrongMachine { name: String, found: String, expected: Arch },
    #[error("{name} needs {needs}, which a switch does not have; link it statically")]
    NotStatic { name: String, needs: String },
}

/// Whether the bytes begin as an ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(&elf::ELFMAG)
}

/// Reads an executable's headers; `name` is for errors.
pub fn describe(name: &str, bytes: &[u8]) -> Result<Elf, ElfError> {
    if !is_elf(bytes) {
        return Err(ElfError::NotElf { name: name.to_owned() });
    }
    let damaged = |error| ElfError::Damaged { name: name.to_owned(), error };
    let facts = match bytes.get(4) {
        Some(&elf::ELFCLASS64) => facts::<elf::FileHeader64<Endianness>>(bytes, Class::Bits64),
        _ => facts::<elf::FileHeader32<Endianness>>(bytes, Class::Bits32),
    };
    match facts.map_err(damaged)? {
        (elf::ET_EXEC | elf::ET_DYN, found) => Ok(found),
        (kind, _) => Err(ElfError::NotAProgram { name: name.to_owned(), kind }),
    }
}

/// The same, and an error unless it is a static program for `arch`.
pub fn check(name: &str, bytes: &[u8], arch: Arch) -> Result<Elf, ElfError> {
    let found = describe(name, bytes)?;
    if found.machine != arch.elf_machine() || (found.class == Class::Bits64) != arch.is_64_bit() {
        return Err(ElfError::WrongMachine { name: name.to_owned(), found: found.to_string(), expected: arch });
    }
    let needs = match &found.linking {
        Linking::Static => return Ok(found),
        Linking::Dynamic { interpreter, libraries } if libraries.is_empty() => {
            format!("the interpreter {}", interpreter.as_deref().unwrap_or("of its headers"))
        }
        Linking::Dynamic { libraries, .. } => format!("the shared libraries {}", libraries.join(", ")),
    };
    Err(ElfError::NotStatic { name: name.to_owned(), needs })
}

/// [`check`] for a file of this machine.
pub fn require(path: &Path, arch: Arch) -> Result<Elf, ElfError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| ElfError::Read { name: name.clone(), error })?;
    check(&name, &bytes, arch)
}

/// What the headers say, and `e_type` before it.
fn facts<H: FileHeader<Endian = Endianness>>(bytes: &[u8], class: Class) -> object::Result<(u16, Elf)> {
    let header = H::parse(bytes)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, bytes)?;
    let mut interpreter = None;
    let mut libraries = Vec::new();
    for segment in segments {
        if let Some(name) = segment.interpreter(endian, bytes)? {
            interpreter = Some(String::from_utf8_lossy(name).into_owned());
        }
        if let Some(dynamic) = segment.dynamic(endian, bytes)? {
            libraries.extend(needed::<H>(endian, bytes, segments, dynamic));
        }
    }
    let linking = match interpreter.is_none() && libraries.is_empty() {
        true => Linking::Static,
        false => Linking::Dynamic { interpreter, libraries },
    };
    let sections = header.sections(endian, bytes)?;
    let stripped = !sections.iter().any(|section| section.sh_type(endian) == elf::SHT_SYMTAB);
    Ok((header.e_type(endian), Elf { class, machine: header.e_machine(endian), linking, stripped }))
}

/// The names of a dynamic segment's `DT_NEEDED` entries, found through the string table that it names.
fn needed<H: FileHeader<Endian = Endianness>>(
    endian: Endianness,
    bytes: &[u8],
    segments: &[H::ProgramHeader],
    dynamic: &[H::Dyn],
) -> Vec<String> {
    let value = |tag: u32| {
        let found = dynamic.iter().find(|entry| entry.tag32(endian) == Some(tag));
        found.map(|entry| entry.d_val(endian).into())
    };
    let strings = value(elf::DT_STRTAB).zip(value(elf::DT_STRSZ)).and_then(|(address, size): (u64, u64)| {
        segments.iter().find_map(|segment| segment.data_range(endian, bytes, address, size).ok().flatten())
    });
    let name = |offset: u64| {
        let text = strings?.get(usize::try_from(offset).ok()?..)?;
        Some(String::from_utf8_lossy(text.split(|byte| *byte == 0).next()?).into_owned())
    };
    let entries = dynamic.iter().filter(|entry| entry.tag32(endian) == Some(elf::DT_NEEDED));
    entries.map(|entry| name(entry.d_val(endian).into()).unwrap_or_else(|| "(name unreadable)".into())).collect()
}

impl From<Class> for u8 {
    fn from(class: Class) -> u8 {
        class as u8
    }
}

/// `64-bit x86-64`.
impl fmt::Display for Elf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-bit ", u8::from(self.class))?;
        match self.machine {
            elf::EM_386 => f.write_str("x86"),
            elf::EM_X86_64 => f.write_str("x86-64"),
            elf::EM_ARM => f.write_str("Arm"),
            elf::EM_AARCH64 => f.write_str("Arm64"),
            other => write!(f, "(machine {other})"),
        }
    }
}
