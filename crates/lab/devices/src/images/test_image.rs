//! An image of one file, for tests of what is done with images.

use common::command::Program;

/// Goes at the end of its test, whatever names it has by then.
pub(super) struct TestImage {
    pub id: String,
}

impl TestImage {
    /// `change` is a line of a Dockerfile.
    pub(super) fn new(name: &str, change: &str) -> TestImage {
        let directory = tempfile::tempdir().unwrap();
        // So that no other image has its digest.
        std::fs::write(directory.path().join("file"), name).unwrap();
        let archive = directory.path().join("root.tar").display().to_string();
        let place = directory.path().display().to_string();
        Program::new("tar", "pack it").unwrap().args(["-cf", &archive, "-C", &place, "file"]).read().unwrap();
        TestImage { id: docker(&["import", "--change", change, &archive, name]).trim().to_owned() }
    }
}

impl Drop for TestImage {
    fn drop(&mut self) {
        // A test may have removed it itself.
        let _ =
            Program::new("docker", "clean up").map(|docker| docker.args(["image", "rm", "--force", &self.id]).read());
    }
}

pub(super) fn docker(words: &[&str]) -> String {
    Program::new("docker", "try it").unwrap().args(words).read().unwrap()
}
