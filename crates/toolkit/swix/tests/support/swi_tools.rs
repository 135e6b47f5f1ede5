//! Arista's swi-tools from the Python package index, and a key to sign with.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use common::{command::Program, files};

use super::{cache, run, tool};

/// The version that these tests were written against.
const SWITOOLS: &str = "switools==1.2";

/// The directory of swi-tools' programs, installed once.
fn swi_tools() -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let venv = cache().join("switools");
    if !venv.join("bin/verify-swix").exists() {
        files::remove_tree(&venv).unwrap();
        let log = cache().join("switools.log");
        tool("python3").args(["-m", "venv"]).arg(&venv).run_logged(&log).unwrap();
        let pip = venv.join("bin/pip");
        Program::new(pip, "install swi-tools").unwrap().args(["install", SWITOOLS]).run_logged(&log).unwrap();
    }
    venv.join("bin")
}

pub fn swi_tool(name: &str) -> Program {
    Program::new(swi_tools().join(name), "test the SWIX").unwrap()
}

/// A test authority `ca.crt`, and a certificate `crt` of it for the RSA key `key`, in `directory`.
pub fn make_key(directory: &Path) {
    let openssl = |args: &[&str]| run(tool("openssl").args(args).dir(directory));
    let key = ["-newkey", "rsa:2048", "-nodes"];
    let authority = ["-x509", "-days", "2", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(&[&["req"][..], &key, &authority].concat());
    openssl(&[&["req"][..], &key, &["-subj", "/CN=signer", "-keyout", "key", "-out", "csr"]].concat());
    let authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(&[&["x509", "-req", "-in", "csr", "-out", "crt", "-days", "2"][..], &authority].concat());
}

// The commands of 1.2 that sign and verify want a member that only a whole EOS image has; what they call for the work takes
// a SWIX.

/// Lets swi-tools sign a SWIX with the key of [`make_key`].
pub fn sign(swix: &Path, directory: &Path) {
    tool("zip");
    run(swi_tool("swi-signature").arg("prepare").arg(swix));
    let script = "import sys; from switools import swisignature as s; \
                  s.signSwi(sys.argv[1], sys.argv[3], sys.argv[2], signingKeyFile=sys.argv[4])";
    let files = ["ca.crt", "crt", "key"].map(|name| directory.join(name));
    run(swi_tool("python3").args(["-c", script]).arg(swix).args(files));
}

/// What swi-tools says of a SWIX' signature.
pub fn verify(swix: &Path, directory: &Path) -> String {
    let script =
        "import sys; from switools import verifyswi as v; print(v.VERIFY_SWI_MESSAGE[v.verifySwi(*sys.argv[1:])])";
    run(swi_tool("python3").args(["-c", script]).arg(swix).arg(directory.join("ca.crt")))
}

pub fn sign_and_verify(swix: &Path, directory: &Path) {
    make_key(directory);
    sign(swix, directory);
    let verified = verify(swix, directory);
    assert!(verified.contains("successful"), "{verified}");
}
