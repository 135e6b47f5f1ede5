//! The command lines of Go: what a plan says of a Go program, a list of its packages, and a generator.

use common::Arch;
use recipes::{Go, Prepare};
use serde::Serialize;

use crate::step::CommandLine;

/// The first minor version of Go 1 that has `go build -trimpath`.
pub(crate) const FIRST_WITH_TRIMPATH: u32 = 13;

/// What is said to the Go that is there; which one that is, where origins have different ones, only a run knows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GoCommands {
    /// For Go 1.13 and newer.
    pub compile: CommandLine,
    pub compile_before_1_13: CommandLine,
    /// Prints the import paths of the packages that are in the program.
    pub list: CommandLine,
}

/// Builds a generator for this machine, and runs it.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    pub package: String,
    pub build: CommandLine,
    pub run: CommandLine,
    /// Files that must be there afterwards.
    pub makes: Vec<recipes::RelativePath>,
}

/// In `{tree}`: a component in the shape of a GOPATH; `{library-NAME}` are others.
pub(crate) fn program(name: &str, go: &Go, import_path: &str, arch: Arch) -> GoCommands {
    let libraries: String = go.libraries.iter().map(|library| format!(":{{library-{library}}}")).collect();
    let gopath = format!("{{tree}}{libraries}");
    let directory = format!("{{tree}}/src/{import_path}");
    let (tags, linker_flags) = (tags(go), linker_flags(go));
    let out = format!("{{out}}/{name}");
    // What keeps this machine's directories out of a program.
    let trim = "all=-trimpath={tree}/src";
    let language = language(go);
    let with_language = ["-trimpath"].into_iter().chain(language.iter().flatten().map(String::as_str));
    let compile = |without_paths: &[&str]| {
        let rest = ["-tags", &tags, "-ldflags", &linker_flags, "-o", &out, &go.package];
        for_switch(&directory, &gopath, arch, [&["{go}/bin/go", "build"], without_paths, &rest].concat())
    };
    let print = "{{if not .Standard}}{{.ImportPath}}{{end}}";
    let list = ["{go}/bin/go", "list", "-deps", "-tags", &tags, "-f", print, &go.package];
    GoCommands {
        compile: compile(&with_language.collect::<Vec<_>>()),
        compile_before_1_13: compile(&[&format!("-gcflags={trim}"), &format!("-asmflags={trim}")]),
        list: for_switch(&directory, &gopath, arch, list.to_vec()),
    }
}

/// What compiles a program of a component's suite: its tree is `{tree}`, the files that are added to it for that are in `{overlay}`.
pub(crate) fn of_suite(name: &str, go: &Go, import_path: &str, arch: Arch) -> CommandLine {
    let (tags, linker_flags, out) = (tags(go), linker_flags(go), format!("{{out}}/{name}"));
    let kind: &[&str] = if go.test { &["test", "-c"] } else { &["build"] };
    let language = language(go);
    let flags = ["-overlay", "{overlay}", "-trimpath"].into_iter().chain(language.iter().flatten().map(String::as_str));
    let flags: Vec<&str> = flags.collect();
    let rest = ["-tags", &tags, "-ldflags", &linker_flags, "-o", &out, &go.package];
    let argv = [&["{go}/bin/go"], kind, &flags, &rest].concat();
    for_switch(&format!("{{tree}}/src/{import_path}"), "{tree}", arch, argv)
}

/// What makes `{test}`, the program of the tests of `{package}`, with the files of `{overlay}` laid over the tree: as the release's
/// program is compiled, so that what of it has been compiled is taken.
pub(crate) fn tests(go: &Go, import_path: &str, arch: Arch) -> CommandLine {
    let libraries: String = go.libraries.iter().map(|library| format!(":{{library-{library}}}")).collect();
    let (tags, language) = (tags(go), language(go));
    let flags = ["-overlay", "{overlay}", "-trimpath"].into_iter().chain(language.iter().flatten().map(String::as_str));
    // What it would say of upstream's code is no matter here.
    let rest = ["-vet=off", "-tags", &tags, "-ldflags", "-s -w", "-o", "{test}", "{package}"];
    let argv = ["{go}/bin/go", "test", "-c"].into_iter().chain(flags).chain(rest).collect();
    for_switch(&format!("{{tree}}/src/{import_path}"), &format!("{{tree}}{libraries}"), arch, argv)
}

/// Go before 1.13 knows no commas, and later ones still take spaces.
fn tags(go: &Go) -> String {
    go.tags.join(" ")
}

fn linker_flags(go: &Go) -> String {
    let stamps = go.stamps.iter().map(|(variable, value)| format!(" -X {variable}={value}"));
    format!("-s -w -buildid={}", stamps.collect::<String>())
}

/// Of two patterns that match a package, the later one counts.
fn language(go: &Go) -> Option<[String; 2]> {
    let version = go.language.as_ref()?;
    Some([format!("-gcflags=all=-lang=go{version}"), "-gcflags=std=".to_owned()])
}

/// In `{tree}`, which is the step's output, of which `directory` is the component.
pub(crate) fn generator(prepare: &Prepare, import_path: &str) -> Generator {
    let directory = format!("{{tree}}/src/{import_path}");
    // Generators write their own name into what they generate.
    let name = prepare.package.rsplit('/').next().unwrap_or(&prepare.package);
    let program = format!("{{scratch}}/{name}");
    let args = prepare.args.iter().map(String::as_str);
    Generator {
        package: prepare.package.clone(),
        build: here(&directory, "{tree}", vec!["{go}/bin/go", "build", "-o", &program, &prepare.package]),
        run: here(&directory, "{tree}", std::iter::once(program.as_str()).chain(args).collect()),
        makes: prepare.makes.clone(),
    }
}

/// For programs that run here, with the standard library that comes compiled.
fn here(directory: &str, gopath: &str, argv: Vec<&str>) -> CommandLine {
    CommandLine::new(directory, argv)
        .env("PATH", "{go}/bin:/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "{scratch}")
        .env("TMPDIR", "{scratch}")
        .env("GOROOT", "{go}")
        .env("GOPATH", gopath)
        .env("GOCACHE", "{go-cache}")
        .env("GOENV", "off")
        .env("GO111MODULE", "off")
        .env("GOPROXY", "off")
        .env("GOFLAGS", "")
}

fn for_switch(directory: &str, gopath: &str, arch: Arch, argv: Vec<&str>) -> CommandLine {
    here(directory, gopath, argv)
        .env("CGO_ENABLED", "0")
        .env("GOOS", "linux")
        .env("GOARCH", arch.goarch())
        // Debian's Go has another default, for processors that EOS never ran on.
        .env("GO386", "sse2")
        // Go before 1.13 writes where its own source is into every program; this is where its makers put it.
        .env("GOROOT_FINAL", "/usr/local/go")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_standard_library_is_of_the_language_that_the_recipe_names() {
        let mut go = Go {
            toolchain: "go".to_owned().try_into().unwrap(),
            package: "a.org/x/cmd/x".into(),
            libraries: vec![],
            tags: vec![],
            language: Some("1.19".into()),
            stamps: Default::default(),
            test: false,
        };
        let said = |go: &Go| program("x", go, "a.org/x", Arch::I386);
        // Of two patterns that match a package, the later one counts.
        let told = said(&go).compile.argv.join(" ");
        assert!(told.contains(" -trimpath -gcflags=all=-lang=go1.19 -gcflags=std= "), "{told}");
        assert!(!said(&go).compile_before_1_13.argv.join(" ").contains("-lang"), "it has no older one to choose");
        go.language = None;
        assert!(!said(&go).compile.argv.join(" ").contains("-gcflags"));
    }

    #[test]
    fn a_program_of_a_suite_is_compiled_over_the_tree_and_not_in_it() {
        let mut go: Go =
            toml::from_str("toolchain = 'go'\npackage = 'a.org/x/test'\nlanguage = '1.19'\ntest = true").unwrap();
        let told = of_suite("x.test", &go, "a.org/x", Arch::Amd64);
        let command = told.argv.join(" ");
        assert!(
            command.starts_with("{go}/bin/go test -c -overlay {overlay} -trimpath -gcflags=all=-lang=go1.19 "),
            "{command}"
        );
        assert!(command.ends_with(" -o {out}/x.test a.org/x/test"), "{command}");
        assert_eq!(told.env["GOARCH"], "amd64");
        go.test = false;
        assert!(of_suite("x", &go, "a.org/x", Arch::I386).argv.join(" ").starts_with("{go}/bin/go build -overlay "));
    }
}
