//! What has to hold of any file that an operator gives.

use std::io::Write as _;

use kube_proxy::options;
use kube_proxy::watch::{self, Connection};

/// It is taken or refused, as a configuration and as a kubeconfig; a panic is what is looked for. A kubeconfig that may name a program to be run is
/// left out.
pub fn any_file_is_read_or_refused(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = options::parse_configuration(text);
    }
    let may_run_something =
        |bytes: &[u8]| bytes.contains(&b'\\') || bytes.contains(&0) || bytes.windows(4).any(|word| word == b"exec");
    if may_run_something(bytes) {
        return;
    }
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("it is written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    for master in [None, Some("127.0.0.1:6443".to_owned())] {
        let _ = watch::connect(&Connection { kubeconfig: Some(file.path().to_owned()), master });
    }
}
