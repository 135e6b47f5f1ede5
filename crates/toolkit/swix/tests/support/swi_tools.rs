//! Arista's swi-tools from the Python package index, and a key to sign with.

use std::path::Path;

use common::command::Program;

use super::{python, run, tool};

/// The version that these tests were written against.
const SWITOOLS: &str = "switools==1.2";

pub fn swi_tool(name: &str) -> Program {
    python::program(&[SWITOOLS], name)
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
