//! Which packages a Go program is made of, by its own account: the table of its functions (`.gopclntab`), which tracebacks
//! need and stripping leaves. It names every function that was linked, and the source files of those that were inlined.
//!
//! Not shown is a package of which nothing but constants and types is left.

use std::collections::BTreeSet;

use object::{
    Endianness, elf,
    read::elf::{FileHeader, SectionHeader},
};

use super::ElfError;

const SECTION: &[u8] = b".gopclntab";

/// The import paths of a Go program's packages as its functions and files name them, the standard library's among them;
/// `name` is for errors. None for what is no Go program.
pub fn packages(name: &str, program: &[u8]) -> Result<Option<BTreeSet<String>>, ElfError> {
    Ok(functions_and_files(name, program)?.map(|(functions, files)| {
        functions
            .iter()
            .filter_map(|name| of_function(name))
            .chain(files.iter().filter_map(|name| of_file(name)))
            .collect()
    }))
}

/// The names of the functions that a Go program has, of those that were inlined too, and of the files that they stood in; `name` is
/// for errors. None for what is no Go program.
pub fn functions_and_files(name: &str, program: &[u8]) -> Result<Option<(Names, Names)>, ElfError> {
    let damaged = |error| ElfError::Damaged { name: name.to_owned(), error };
    let table = match program.get(4) {
        Some(&elf::ELFCLASS64) => section::<elf::FileHeader64<Endianness>>(program),
        _ => section::<elf::FileHeader32<Endianness>>(program),
    };
    let Some(table) = table.map_err(damaged)? else { return Ok(None) };
    match names(table) {
        Some(names) => Ok(Some(names)),
        None => Err(ElfError::FunctionTable { name: name.to_owned() }),
    }
}

/// Whether a program has anything of a module, by the directory that the import paths of its packages begin with: code, or types,
/// whose packages stand in it by name.
pub fn shows(program: &[u8], packages: &BTreeSet<String>, directory: &str) -> bool {
    let is_below = |package: &String| below(package, directory);
    packages.iter().any(is_below) || memchr::memmem::find(program, directory.as_bytes()).is_some()
}

/// Whether a package is that directory or below it; what it is vendored in does not count.
pub fn below(package: &str, directory: &str) -> bool {
    let path = package.rsplit_once("/vendor/").map_or(package, |(_, path)| path);
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a package is the standard library's: no host stands in front.
pub fn is_standard(package: &str) -> bool {
    package != MAIN && !package.split('/').next().is_some_and(|host| host.contains('.'))
}

/// What a program's own package is called in it.
pub const MAIN: &str = "main";

fn section<H: FileHeader<Endian = Endianness>>(program: &[u8]) -> object::Result<Option<&[u8]>> {
    let header = H::parse(program)?;
    let endian = header.endian()?;
    let found = header.sections(endian, program)?.section_by_name(endian, SECTION);
    found.map(|(_, section)| section.data(endian, program)).transpose()
}

/// What a table names.
pub type Names = BTreeSet<String>;

/// The names of functions and of files; none for a table of no known form.
fn names(table: &[u8]) -> Option<(Names, Names)> {
    let magic = word(table, 0, 4)?;
    let size = usize::from(*table.get(7)?);
    let field = |index: usize| word(table, 8 + index * size, size);
    match magic {
        // Go 1.2 to 1.15: a list of (entry, offset of the function), then the offset of the list of files.
        0xffff_fffb => {
            let count = field(0)?;
            let function = |index: usize| {
                let at = field(2 + 2 * index)?;
                text(table, word(table, at + size, 4)?)
            };
            let files = word(table, 8 + size + (2 * count + 1) * size, 4)?;
            let file = |index: usize| text(table, word(table, files + 4 * index, 4)?);
            let functions = (0..count).map(function).collect::<Option<Names>>()?;
            Some((functions, (1..word(table, files, 4)?).map(file).collect::<Option<Names>>()?))
        }
        // Go 1.16 and 1.17; from 1.18 on there is where the code begins as well. All names follow one another.
        0xffff_fffa => Some((between(table, field(2)?, field(3)?)?, between(table, field(4)?, field(5)?)?)),
        0xffff_fff0 | 0xffff_fff1 => {
            Some((between(table, field(3)?, field(4)?)?, between(table, field(5)?, field(6)?)?))
        }
        _ => None,
    }
}

fn word(table: &[u8], at: usize, size: usize) -> Option<usize> {
    let bytes = table.get(at..at.checked_add(size)?)?;
    usize::try_from(bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))).ok()
}

fn text(table: &[u8], at: usize) -> Option<String> {
    let bytes = table.get(at..)?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// The names from one place to another, each of which ends with a zero.
fn between(table: &[u8], from: usize, to: usize) -> Option<Names> {
    let names = table.get(from..to)?.split(|byte| *byte == 0);
    Some(names.filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// `gopkg.in/yaml.v2` of `gopkg.in/yaml%2ev2.(*Decoder).Decode`; none for what the compiler made up.
fn of_function(name: &str) -> Option<String> {
    // Types that a function is made for stand behind it in brackets, and may be of another package.
    let name = name.split('[').next()?;
    let directory = name.rfind('/').map_or(0, |slash| slash + 1);
    let package = &name[..directory + name[directory..].find('.')?];
    // `type..eq.` and `go.` before Go 1.20, `type:.eq.` and `go:` since.
    let made_up = ["type.", "type:", "go.", "go:"].iter().any(|prefix| name.starts_with(prefix));
    (!made_up && !package.is_empty()).then(|| package.replace("%2e", ".").replace("%2E", "."))
}

/// The directory of a file that was named without the place where it was compiled.
fn of_file(name: &str) -> Option<String> {
    let (directory, file) = name.rsplit_once('/')?;
    (!name.starts_with(['/', '<']) && [".go", ".s"].iter().any(|end| file.ends_with(end))).then(|| directory.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_s_package_is_what_stands_before_its_name() {
        for (function, package) in [
            ("gopkg.in/yaml%2ev2.(*Decoder).Decode", Some("gopkg.in/yaml.v2")),
            ("k8s.io/kubernetes/vendor/github.com/a/b.init.0", Some("k8s.io/kubernetes/vendor/github.com/a/b")),
            ("main.main", Some("main")),
            ("sync/atomic.(*Pointer[go.shape.struct { x/y.z int }]).Load", Some("sync/atomic")),
            ("type..eq.github.com/a/b.T", None),
            ("type:.hash.github.com/a/b.T", None),
            ("go.buildid", None),
            ("_rt0_386_linux", None),
        ] {
            assert_eq!(of_function(function).as_deref(), package, "{function}");
        }
        let file = |name: &str| of_file(name);
        assert_eq!(file("github.com/a/b/c.go").as_deref(), Some("github.com/a/b"));
        assert_eq!(file("<autogenerated>"), None);
        assert_eq!(file("/usr/local/go/src/fmt/print.go"), None);
    }

    /// A table of one function and one file in each form, for programs of 32 and of 64 bits.
    #[test]
    fn each_form_of_the_table_is_read() {
        for size in [4_usize, 8] {
            let begin = |magic: u32| [&magic.to_le_bytes()[..], &[0, 0, 1, size as u8]].concat();
            let word = |value: usize| (value as u64).to_le_bytes()[..size].to_vec();
            let names = b"a.b/c.F\0a.b/c/f.go\0";
            for (magic, extra) in [(0xffff_fffa_u32, 0), (0xffff_fff0, 1), (0xffff_fff1, 1)] {
                let start = 8 + (7 + extra) * size;
                let mut table = begin(magic);
                table.extend([1, 1].map(word).concat());
                table.extend(vec![0; extra * size]);
                table.extend([start, start + 8, start + 8, start + 19, start + 19].map(word).concat());
                table.extend(names);
                assert_eq!(super::names(&table).unwrap(), expected(), "{magic:x}, {size} bytes");
                assert_eq!(super::names(&table[..table.len() - 1]), None, "it is cut off");
            }
            // One function and the end of the list, the place of the files; the function; two entries of files; the names.
            let mut table = begin(0xffff_fffb);
            let function = 8 + 4 * size + 4;
            let files = function + size + 4;
            table.extend([1, 0x1000, function, 0x2000].map(word).concat());
            table.extend((files as u32).to_le_bytes());
            table.extend(word(0x1000));
            table.extend(((files + 8) as u32).to_le_bytes());
            table.extend([2_u32.to_le_bytes(), ((files + 16) as u32).to_le_bytes()].concat());
            table.extend(names);
            assert_eq!(super::names(&table).unwrap(), expected(), "1.2, {size} bytes");
        }
        assert_eq!(super::names(&[0; 64]), None);
    }

    fn expected() -> (Names, Names) {
        (["a.b/c.F".to_owned()].into(), ["a.b/c/f.go".to_owned()].into())
    }
}
