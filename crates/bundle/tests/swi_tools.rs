//! Arista's own swi-tools, from the Python package index: what they make and ours are alike, and they
//! sign and verify ours.

mod common;

use std::{fs, path::PathBuf, sync::Mutex};

use base::{files, progress::Silent};
use bundle::{
    inspect::{self, Probes, Signed},
    swix,
};
use common::{cache, default_sample, run, tool};

/// The version that these tests were written against.
const SWITOOLS: &str = "switools==1.2";

/// The folder of swi-tools' programs, installed once.
fn swi_tools() -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let venv = cache().join("switools");
    if !venv.join("bin/verify-swix").exists() {
        files::remove_tree(&venv).unwrap();
        let log = cache().join("switools.log");
        tool("python3").args(["-m", "venv"]).arg(&venv).run_logged(&log).unwrap();
        let pip = venv.join("bin/pip");
        base::command::Program::new(pip, "install swi-tools")
            .unwrap()
            .args(["install", SWITOOLS])
            .run_logged(&log)
            .unwrap();
    }
    venv.join("bin")
}

fn swi_tool(name: &str) -> base::command::Program {
    base::command::Program::new(swi_tools().join(name), "test the SWIX").unwrap()
}

#[test]
#[ignore = "needs the Python package index: run by cargo xtask test"]
fn swix_create_makes_the_same_manifest_and_members() {
    let (folder, sample) = default_sample();
    tool("zip");
    let theirs = folder.path().join("theirs.swix");
    run(swi_tool("swix-create").arg(&theirs).arg(&sample.rpm));
    let list = |path: &PathBuf| run(tool("unzip").arg("-Z1").arg(path));
    assert_eq!(list(&theirs), list(&sample.swix));
    let manifest = |path: &PathBuf| run(tool("unzip").arg("-p").arg(path).arg("manifest.txt"));
    assert_eq!(manifest(&theirs), manifest(&sample.swix));
    let error = inspect::inspect(&theirs, Probes::Skip, &Silent).unwrap_err().to_string();
    assert!(error.contains("made by another tool"), "{error}");
}

#[test]
#[ignore = "needs the Python package index: run by cargo xtask test"]
fn a_swix_is_signed_verified_and_still_inspected() {
    let (folder, sample) = default_sample();
    let at = |name: &str| folder.path().join(name);
    let openssl = |args: &[&str]| run(tool("openssl").args(args).dir(folder.path()));
    let subject = ["-subj", "/CN=test"];
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(&[&new[..], &subject[..]].concat());
    let request = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "csr", "-subj", "/CN=signer"];
    openssl(&request);
    openssl(&[
        "x509",
        "-req",
        "-in",
        "csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-out",
        "crt",
    ]);

    run(swi_tool("swi-signature").arg("prepare").arg(&sample.swix));
    // The commands of 1.2 that sign and verify want a member that only a whole EOS image has; what they
    // call for the work takes a SWIX.
    let python = |script: &str| swi_tool("python3").args(["-c", script]).arg(&sample.swix).arg(at("ca.crt"));
    let sign = "import sys; from switools import swisignature as s; \
                s.signSwi(sys.argv[1], sys.argv[3], sys.argv[2], signingKeyFile=sys.argv[4])";
    run(python(sign).arg(at("crt")).arg(at("key")));
    let verify =
        "import sys; from switools import verifyswi as v; print(v.VERIFY_SWI_MESSAGE[v.verifySwi(*sys.argv[1:])])";
    let verified = run(python(verify));
    assert!(verified.contains("successful"), "{verified}");

    let report = inspect::inspect(&sample.swix, Probes::Run, &Silent).unwrap();
    assert_eq!(report.signed, Signed::Yes);
    let whole = fs::read(&sample.swix).unwrap();
    let before_the_signature = whole.windows(swix::SIGNATURE.len()).position(|name| name == swix::SIGNATURE.as_bytes());
    for offset in 0..before_the_signature.unwrap() - 30 {
        let mut bytes = whole.clone();
        bytes[offset] ^= 0x10;
        assert!(swix::parse(&bytes).is_err(), "a change of byte {offset} went unseen");
    }
}
