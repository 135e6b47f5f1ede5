//! A statement as in-toto's own library reads it, which knows every field of a statement and of SLSA's provenance.

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use common::{command::Program, files};

use crate::{
    dist::{Dist, MADE},
    support::{cache, tool},
};

/// The version that this test was written against.
const LIBRARY: &str = "in-toto-attestation==0.9.3";

const READER: &str = "
import sys
from google.protobuf.json_format import MessageToDict, Parse, ParseDict
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import resource_descriptor, statement, statement_pb2
read = Parse(open(sys.argv[1]).read(), statement_pb2.Statement())
statement.Statement.copy_from_pb(read).validate()
provenance = ParseDict(MessageToDict(read.predicate), provenance_pb2.Provenance())
made_from = provenance.build_definition.resolved_dependencies
for one in made_from:
    resource_descriptor.ResourceDescriptor.copy_from_pb(one).validate()
print(len(read.subject), len(made_from), read.predicate_type)
";

/// Python with the library, installed once.
fn python() -> Program {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let venv = cache().join("in-toto");
    let done = venv.join("done");
    if !done.exists() {
        files::remove_tree(&venv).unwrap();
        let log = cache().join("in-toto.log");
        tool("python3").args(["-m", "venv"]).arg(&venv).run_logged(&log).unwrap();
        let pip = Program::new(venv.join("bin/pip"), "install in-toto's library").unwrap();
        pip.args(["install", LIBRARY]).run_logged(&log).unwrap();
        fs::write(done, "").unwrap();
    }
    Program::new(venv.join("bin/python"), "read a statement").unwrap()
}

fn read(file: &Path) -> anyhow::Result<String> {
    python().args(["-c", READER]).arg(file).read()
}

#[test]
#[ignore = "needs the Python package index: run by cargo xtask test"]
fn in_toto_s_own_library_reads_a_statement_and_finds_every_field_of_it_right() {
    let dist = Dist::new();
    assert_eq!(read(&dist.at(MADE)).unwrap(), "3 2 https://slsa.dev/provenance/v1\n");
    let text = fs::read_to_string(dist.at(MADE)).unwrap();
    for (from, to) in [("\"buildType\"", "\"build_kind\""), ("\"subject\"", "\"subjects\"")] {
        let other = dist.beside().join("other.json");
        fs::write(&other, text.replacen(from, to, 1)).unwrap();
        read(&other).expect_err(from);
    }
}
