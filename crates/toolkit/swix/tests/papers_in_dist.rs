//! What a build leaves beside the SWIX, in `$KOE_DIST`, held against the programs in it: the bill of materials and the licences.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use common::progress::Silent;
use serde_json::Value;
use support::{python, run, tool};
use swix::{
    bill::{self, Bill, Shown},
    elf::go,
    inspect::{self, Probes},
};

/// A file of the newest build in dist/: its name ends so in place of `.swix`.
fn beside(ending: &str) -> PathBuf {
    let swix = swix::dist::newest_swix(&swix::dist::directory()).unwrap_or_else(|error| panic!("{error:#}"));
    let path = swix.with_extension(ending);
    assert!(path.is_file(), "{} is not there", path.display());
    path
}

/// The programs by name, and where the image was unpacked.
struct Unpacked {
    directory: tempfile::TempDir,
    programs: BTreeMap<String, Vec<u8>>,
}

impl Unpacked {
    /// The programs of the SWIX, and those beside it that the bill is about.
    fn new(bill: &Bill) -> Self {
        let swix = swix::dist::newest_swix(&swix::dist::directory()).unwrap();
        let report = inspect::inspect(&swix, Probes::Skip, &Silent).unwrap_or_else(|error| panic!("{error}"));
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let (_, image) = support::take_apart(&swix, &report, at);
        run(tool("unsquashfs").args(["-no-progress", "-quiet", "-d"]).arg(at.join("image")).arg(image));
        run(tool("tar").arg("-xf").arg(at.join("image/images/pause.tar")).arg("-C").arg(at));
        let found = walkdir::WalkDir::new(at).into_iter().flatten().filter(|entry| entry.file_type().is_file());
        let found: Vec<PathBuf> = found.map(|entry| entry.into_path()).collect();
        for layer in found.iter().filter(|path| path.ends_with("layer.tar")) {
            run(tool("tar").arg("-xf").arg(layer).arg("-C").arg(at));
        }
        let programs = bill.programs().map(|name| (name.to_owned(), Self::program(at, name))).collect();
        Unpacked { directory, programs }
    }

    fn program(at: &Path, name: &str) -> Vec<u8> {
        let files = walkdir::WalkDir::new(at).into_iter().flatten().filter(|entry| entry.file_type().is_file());
        let mut named = files.filter(|entry| entry.file_name() == name).map(|entry| fs::read(entry.path()).unwrap());
        let packed = named.find(|bytes| swix::elf::is_elf(bytes));
        let beside = || swix::dist::program(&swix::dist::directory(), name, "linux-amd64");
        packed
            .or_else(|| beside().map(|path| fs::read(path).unwrap()))
            .unwrap_or_else(|| panic!("the bill is about {name}, which is neither in the SWIX nor beside it"))
    }
}

fn document() -> Value {
    serde_json::from_slice(&fs::read(beside("cdx.json")).unwrap()).unwrap()
}

fn bill(document: &Value) -> Bill {
    Bill::read(document.to_string().as_bytes()).unwrap()
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_programs_that_show_what_the_bill_of_materials_says_and_no_line_of_it_can_be_left_out() {
    let document = document();
    let whole = bill(&document);
    let unpacked = Unpacked::new(&whole);
    assert!(unpacked.programs.len() > 5, "{}", unpacked.programs.len());
    let shown = |name: &str| Shown::by(name, &unpacked.programs[name]).unwrap();
    for name in unpacked.programs.keys() {
        assert_eq!(whole.compare(name, &shown(name)), [""; 0]);
    }

    let dependencies = document["dependencies"].as_array().unwrap();
    let made_of = |reference: &str| dependencies.iter().position(|of| of["ref"] == reference);
    let mut left_out = 0;
    for (name, program) in &unpacked.programs {
        let (at, shown) = (made_of(&format!("{}{name}", bill::PROGRAM)).unwrap(), shown(name));
        let packages = swix::elf::go::packages(name, program).unwrap();
        let parts = dependencies[at]["dependsOn"].as_array().unwrap();
        for (index, part) in parts.iter().enumerate() {
            if !stands_alone(&document, part.as_str().unwrap(), parts, packages.as_ref()) {
                continue;
            }
            let mut less = document.clone();
            less["dependencies"][at]["dependsOn"].as_array_mut().unwrap().remove(index);
            assert!(!bill(&less).missing(name, &shown).is_empty(), "{part} can be left out of {name}");
            left_out += 1;
        }
    }
    assert!(left_out > 300, "{left_out}");

    // And one that is in no program is seen.
    let mut more = document.clone();
    let mut part = more["components"][0].clone();
    part["bom-ref"] = "pkg:golang/example.org/other@v1.0.0".into();
    part["properties"] = serde_json::json!([{ "name": bill::IMPORT_PATH, "value": "example.org/other" }]);
    more["components"].as_array_mut().unwrap().push(part);
    for of in more["dependencies"].as_array_mut().unwrap() {
        if of["ref"] == "program:etcd" {
            of["dependsOn"].as_array_mut().unwrap().push("pkg:golang/example.org/other@v1.0.0".into());
        }
    }
    let found = bill(&more).compare("etcd", &shown("etcd"));
    assert!(found.len() == 1 && found[0].contains("shows nothing of it"), "{found:?}");
}

/// Whether a program can show that a part is missing: not musl, GCC's and std, of which a stripped program says nothing, nor std's
/// crates that cannot panic; nor a module of which there are only types, or one in whose directory another module begins.
fn stands_alone(document: &Value, part: &str, parts: &[Value], packages: Option<&BTreeSet<String>>) -> bool {
    let paths = |part: &str| -> Vec<String> {
        let components = document["components"].as_array().unwrap();
        let described = components.iter().find(|of| of["bom-ref"] == part).unwrap();
        let properties = described["properties"].as_array().into_iter().flatten();
        let paths = properties.filter(|property| property["name"] == bill::IMPORT_PATH);
        paths.map(|property| property["value"].as_str().unwrap().to_owned()).collect()
    };
    let dependencies = document["dependencies"].as_array().unwrap();
    let of_std = dependencies.iter().filter(|of| of["ref"].as_str().unwrap().starts_with("pkg:generic/rust-std@"));
    let mut of_std = of_std.flat_map(|std| std["dependsOn"].as_array().unwrap());
    let Some(packages) = packages else {
        return part.starts_with("pkg:cargo/") && !of_std.any(|of| of == part);
    };
    if part.starts_with("pkg:golang/stdlib@") {
        return true;
    }
    let own = paths(part);
    let has_code = packages.iter().any(|package| own.iter().any(|path| go::below(package, path)));
    let others = parts.iter().filter_map(Value::as_str).filter(|other| *other != part);
    has_code && !others.flat_map(paths).any(|other| own.iter().any(|path| go::below(path, &other)))
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_the_licences_of_every_part_of_its_programs() {
    let document = document();
    let unpacked = Unpacked::new(&bill(&document));
    let licences = unpacked.directory.path().join("image/share/kubernetes-on-eos/licences");
    let index = fs::read_to_string(licences.join("index.txt")).unwrap();
    let in_one = fs::read_to_string(beside("licences.txt")).unwrap();
    assert!(in_one.starts_with(&index));
    let mut named = BTreeSet::new();
    for line in index.lines().filter(|line| line.starts_with("  ")) {
        let texts: Vec<&str> = line.split(' ').filter(|word| word.starts_with("texts/")).collect();
        let length = |name: &str| fs::metadata(licences.join(name)).unwrap().len();
        assert!(texts.iter().copied().map(length).max() > Some(400), "no licence's text: {line}");
        named.extend(texts.into_iter().map(str::to_owned));
    }
    for name in &named {
        let text = fs::read_to_string(licences.join(name)).unwrap();
        assert!(in_one.contains(&text), "{name}: {text}");
    }
    assert_eq!(fs::read_dir(licences.join("texts")).unwrap().count(), named.len(), "a text that is nobody's");

    // Every part of the bill has its line below its program.
    let components = document["components"].as_array().unwrap();
    let mut parts = 0;
    for of in document["dependencies"].as_array().unwrap() {
        let Some(program) = of["ref"].as_str().unwrap().strip_prefix(bill::PROGRAM) else { continue };
        let below = index.split_once(&format!("\n{program}\n")).unwrap_or_else(|| panic!("no {program}: {index}")).1;
        let below = below.split("\n\n").next().unwrap();
        for part in of["dependsOn"].as_array().unwrap() {
            let described = components.iter().find(|known| known["bom-ref"] == *part).unwrap();
            let properties = described["properties"].as_array().into_iter().flatten();
            let paths = properties.filter(|property| property["name"] == bill::IMPORT_PATH).map(|path| &path["value"]);
            let names: Vec<&str> = paths.chain([&described["name"]]).filter_map(Value::as_str).collect();
            let is_there = |line: &str| names.iter().any(|name| line.trim_start().starts_with(&format!("{name} ")));
            assert!(below.lines().any(is_there), "{names:?} are not in {program}");
            parts += 1;
        }
    }
    assert!(parts > 300, "{parts}");
}

/// Every part that some program has, by its reference.
fn parts(document: &Value) -> BTreeMap<&str, &Value> {
    let components = document["components"].as_array().unwrap().iter();
    components.map(|part| (part["bom-ref"].as_str().unwrap(), part)).collect()
}

fn properties<'d>(part: &'d Value, name: &str) -> Vec<&'d str> {
    let properties = part["properties"].as_array().into_iter().flatten();
    properties.filter(|property| property["name"] == name).map(|property| property["value"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_a_bill_that_says_which_go_modules_need_which_what_pins_them_and_what_they_are_under() {
    let document = document();
    let parts = parts(&document);
    let is_module = |reference: &str| reference.starts_with("pkg:golang/") && !reference.contains("/stdlib@");
    let needs: BTreeMap<&str, Vec<&str>> = document["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let on = of["dependsOn"].as_array().unwrap().iter().map(|on| on.as_str().unwrap());
            (of["ref"].as_str().unwrap(), on.collect())
        })
        .collect();
    let modules: Vec<&str> = parts.keys().copied().filter(|reference| is_module(reference)).collect();
    assert!(modules.len() > 100, "{}", modules.len());
    for (of, on) in &needs {
        assert!(!on.contains(of) && on.iter().all(|on| parts.contains_key(on)), "{of} needs {on:?}");
    }
    let edges: usize = modules.iter().map(|of| needs[of].iter().filter(|on| is_module(on)).count()).sum();
    assert!(edges > modules.len(), "{edges}");
    let module = |path: &str| {
        let begin = format!("pkg:golang/{path}@");
        modules.iter().copied().find(|of| of.starts_with(&begin)).unwrap_or_else(|| panic!("no {path}"))
    };
    for (of, on) in [
        ("github.com/spf13/cobra", "github.com/spf13/pflag"),
        ("golang.org/x/net", "golang.org/x/text"),
        ("google.golang.org/grpc", "github.com/golang/protobuf"),
    ] {
        let on = format!("pkg:golang/{on}");
        assert!(needs[module(of)].iter().any(|needed| needed.starts_with(&on)), "{of} needs {:?}", needs[module(of)]);
    }

    // Each is pinned by go.sum or came in a Debian package, whose digest is told.
    let pinned = |part: &Value| {
        properties(part, "go:sum").iter().any(|sum| sum.starts_with("h1:"))
            || properties(part, "debian:package").iter().any(|package| package.contains("checksum=sha256:"))
    };
    let unpinned: Vec<&&str> = modules.iter().filter(|of| !pinned(parts[**of])).collect();
    assert!(unpinned.is_empty(), "{unpinned:?}");

    let without: Vec<&&str> = modules.iter().filter(|of| parts[**of]["licenses"].is_null()).collect();
    assert!(without.len() * 10 < modules.len(), "{} of {} have no licence: {without:?}", without.len(), modules.len());
    let under = |path: &str| parts[module(path)]["licenses"][0]["expression"].as_str().unwrap();
    assert_eq!((under("github.com/spf13/cobra"), under("github.com/spf13/pflag")), ("Apache-2.0", "BSD-3-Clause"));

    assert!(document["serialNumber"].as_str().unwrap().starts_with("urn:uuid:"));
    assert_eq!(document["metadata"]["tools"]["components"][0]["name"], "kubernetes-on-eos xtask");
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_the_whole_text_of_every_licence_that_debian_only_names() {
    let index = fs::read_to_string(beside("licences.txt")).unwrap();
    let (index, texts) = index.split_once(&format!("\n{}\n", "-".repeat(79))).unwrap();
    let texts: BTreeMap<&str, &str> = format_texts(texts);
    const PLACE: &str = "/usr/share/common-licenses/";
    let mut named = BTreeSet::new();
    for line in index.lines().filter(|line| line.starts_with("  ")) {
        let of_part: Vec<&str> = line.split(' ').filter(|word| word.starts_with("texts/")).collect();
        for text in of_part.iter().map(|name| texts[name]) {
            // What packaging is under is in no program.
            if text.starts_with("Format:") || !text.contains(PLACE) {
                continue;
            }
            for rest in text.split(PLACE).skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c)).unwrap_or(rest.len());
                let name = rest[..end].trim_end_matches('.');
                let is = index.lines().find_map(|line| line.strip_prefix(&format!("{name} is "))).unwrap();
                assert!(of_part.contains(&is.trim_end_matches('.')), "{name} is not in {line}");
                named.insert(name);
            }
        }
    }
    assert!(named.contains("GPL-3"), "GCC's copyright file names it: {named:?}");
    let gpl = index.lines().find_map(|line| line.strip_prefix("GPL-3 is ")).unwrap();
    assert!(texts[gpl.trim_end_matches('.')].contains("GNU GENERAL PUBLIC LICENSE"));
}

/// The texts of the one file by their names: a line, the name, a line, the text.
fn format_texts(texts: &str) -> BTreeMap<&str, &str> {
    let line = format!("\n{}\n", "-".repeat(79));
    let mut parts = texts.split(line.as_str());
    let mut found = BTreeMap::new();
    while let (Some(name), Some(text)) = (parts.next(), parts.next()) {
        found.insert(name.trim(), text.trim_start());
    }
    found
}

#[test]
#[ignore = "needs a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_an_rpm_whose_licence_is_that_of_everything_in_it() {
    let swix = swix::dist::newest_swix(&swix::dist::directory()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    run(tool("unzip").arg("-q").arg(&swix).arg("-d").arg(directory.path()));
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let rpm = names.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "rpm")).unwrap();
    let licence = run(tool("rpm").args(["-qp", "--nosignature", "--qf", "%{LICENSE}"]).arg(rpm));
    let document = document();
    let stated = parts(&document).into_values().filter_map(|part| part["licenses"][0]["expression"].as_str());
    let simple: BTreeSet<&str> = stated.filter(|stated| !stated.contains([' ', '('])).collect();
    assert!(simple.len() > 5, "{simple:?}");
    let demanded: BTreeSet<&str> = licence.split(" AND ").collect();
    let left_out: Vec<&&str> = simple.difference(&demanded).collect();
    assert!(left_out.is_empty(), "{left_out:?} is not in {licence}");
    assert!(demanded.contains("GPL-3.0-or-later WITH GCC-exception-3.1"), "{licence}");
}

/// CycloneDX' own validator of its schema, and the reader of scanners that take a bill as it is, cve-bin-tool for one.
const READERS: [&str; 2] = ["cyclonedx-python-lib[json-validation]==11.12.0", "lib4sbom==0.10.4"];

#[test]
#[ignore = "needs the Python package index, and a SWIX in dist/: run by cargo xtask test"]
fn swix_in_dist_has_a_bill_of_materials_that_cyclonedx_s_schema_and_a_scanner_s_reader_take() {
    let python = |script: &str, file: &Path| run(python::program(&READERS, "python3").args(["-c", script]).arg(file));
    let validate = "import sys; from cyclonedx.schema import SchemaVersion as V; \
                    from cyclonedx.validation.json import JsonStrictValidator as J; \
                    print(J(V.V1_5).validate_str(open(sys.argv[1]).read()) or 'valid')";
    let file = beside("cdx.json");
    assert_eq!(python(validate, &file).trim(), "valid");
    let directory = tempfile::tempdir().unwrap();
    let wrong = directory.path().join("wrong.json");
    fs::write(&wrong, fs::read_to_string(&file).unwrap().replacen("\"type\"", "\"kind\"", 1)).unwrap();
    assert_ne!(python(validate, &wrong).trim(), "valid");

    let list = "import sys; from lib4sbom.parser import SBOMParser as P; p = P(); p.parse_file(sys.argv[1]); \
                [print(r[2]) for k in p.get_packages() for r in k.get('externalreference', []) if r[1] == 'purl']";
    let read: BTreeSet<String> = python(list, &file).lines().map(str::to_owned).collect();
    let document = document();
    let components = document["components"].as_array().unwrap();
    let purls: BTreeSet<String> = components.iter().filter_map(|of| Some(of["purl"].as_str()?.to_owned())).collect();
    assert!(purls.len() > 300, "{}", purls.len());
    let unread: Vec<&String> = purls.difference(&read).collect();
    assert!(unread.is_empty(), "the reader has not {unread:?}");
}
