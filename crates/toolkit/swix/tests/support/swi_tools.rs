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

/// Signs a SWIX with a test key made in `directory`, and lets swi-tools verify it.
pub fn sign_and_verify(swix: &Path, directory: &Path) {
    tool("zip");
    let at = |name: &str| directory.join(name);
    let openssl = |args: &[&str]| run(tool("openssl").args(args).dir(directory));
    let key = ["-newkey", "rsa:2048", "-nodes"];
    let authority = ["-x509", "-days", "2", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(&[&["req"][..], &key, &authority].concat());
    openssl(&[&["req"][..], &key, &["-subj", "/CN=signer", "-keyout", "key", "-out", "csr"]].concat());
    let authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(&[&["x509", "-req", "-in", "csr", "-out", "crt", "-days", "2"][..], &authority].concat());

    run(swi_tool("swi-signature").arg("prepare").arg(swix));
    // The commands of 1.2 that sign and verify want a member that only a whole EOS image has; what they
    // call for the work takes a SWIX.
    let python = |script: &str| swi_tool("python3").args(["-c", script]).arg(swix).arg(at("ca.crt"));
    let sign = "import sys; from switools import swisignature as s; \
                s.signSwi(sys.argv[1], sys.argv[3], sys.argv[2], signingKeyFile=sys.argv[4])";
    run(python(sign).arg(at("crt")).arg(at("key")));
    let verify =
        "import sys; from switools import verifyswi as v; print(v.VERIFY_SWI_MESSAGE[v.verifySwi(*sys.argv[1:])])";
    let verified = run(python(verify));
    assert!(verified.contains("successful"), "{verified}");
}
