//! Writes the digests of the sources that make what a build leaves: a step's key has those of its own kind.

use std::{env, fs, path::Path};

use sha2::{Digest, Sha256};

/// The crates whose code is in what the steps make, from here.
const CRATES: [(&str, &str); 7] = [
    ("audit", "../audit/src"),
    ("common", "../../common/src"),
    ("contract", "../../switch/contract/src"),
    ("pipeline", "src"),
    ("provenance", "../provenance/src"),
    ("sources", "../sources/src"),
    ("swix", "../swix/src"),
];

fn main() {
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let mut table = String::from("pub(super) const FILES: &[(&str, &str)] = &[\n");
    for (name, directory) in CRATES {
        let directory = Path::new(&here).join(directory);
        println!("cargo::rerun-if-changed={}", directory.display());
        for entry in walkdir::WalkDir::new(&directory).sort_by_file_name() {
            let entry = entry.expect("the sources can be read");
            if entry.file_type().is_file() {
                let inside = entry.path().strip_prefix(&directory).expect("it is below it");
                let bytes = fs::read(entry.path()).expect("the sources can be read");
                let digest = hex::encode(Sha256::digest(bytes));
                table += &format!("    ({:?}, {digest:?}),\n", format!("{name}/{}", inside.display()));
            }
        }
    }
    let lock = Path::new(&here).join("../../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let digest = hex::encode(Sha256::digest(fs::read(lock).expect("the lock file can be read")));
    table += &format!("    (\"Cargo.lock\", {digest:?}),\n];\n");
    let out = env::var("OUT_DIR").expect("cargo says where to write");
    fs::write(Path::new(&out).join("code.rs"), table).expect("the digests can be written");
}
