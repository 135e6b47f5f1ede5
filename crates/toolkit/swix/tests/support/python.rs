//! Programs from the Python package index, each set of packages in a place of its own.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use common::{command::Program, files};

use super::{cache, tool};

/// A program of these packages, which are named with their versions and installed once.
pub fn program(packages: &[&str], name: &str) -> Program {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let first = packages[0].split(['=', '[']).next().unwrap();
    let (venv, log) = (cache().join(first), cache().join(format!("{first}.log")));
    // Written last: what it does not name is not there, or not all of it.
    let installed = venv.join("installed");
    if fs::read_to_string(&installed).ok() != Some(packages.join(" ")) {
        files::remove_tree(&venv).unwrap();
        tool("python3").args(["-m", "venv"]).arg(&venv).run_logged(&log).unwrap();
        let pip = Program::new(venv.join("bin/pip"), &format!("install {first}")).unwrap();
        pip.arg("install").args(packages).run_logged(&log).unwrap();
        fs::write(&installed, packages.join(" ")).unwrap();
    }
    Program::new(venv.join("bin").join(name), "test what was built").unwrap()
}
