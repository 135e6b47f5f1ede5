//! Real iptables in a network namespace of the test's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::netns;
use kube_proxy::iptables::{Table, Tool};
use tempfile::TempDir;

const LOCK: &str = "xtables.lock";

/// iptables, with a lock of its own and a record of all that goes to iptables-restore.
pub struct Real {
    pub tool: Tool,
    /// Where the tool finds its programs, under the names that they always have.
    pub directory: TempDir,
}

/// Runs `test` for iptables-legacy and iptables-nft, each in a new network namespace. The thread stays in the last one.
pub fn with_each_variant(test: impl Fn(&Real)) {
    for name in ["iptables-legacy", "iptables-nft"] {
        netns::unshare().expect("a network namespace");
        test(&Real::new(name));
    }
}

impl Real {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let path = |program: String| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let mut files = std::env::split_paths(&path).map(|directory| directory.join(&program));
            files.find(|file| file.is_file()).unwrap_or_else(|| panic!("{program} is not installed"))
        };
        for program in [name.to_owned(), format!("{name}-save")] {
            symlink(path(program.clone()), directory.path().join(program)).expect("a link");
        }
        let restore = path(format!("{name}-restore"));
        let record = directory.path().join("record");
        let (record, restore) = (record.display(), restore.display());
        let lock = directory.path().join(LOCK);
        let lock = lock.display();
        let script = format!("#!/bin/sh\nexport XTABLES_LOCKFILE='{lock}'\ntee -a '{record}' | '{restore}' \"$@\"\n");
        let wrapper = directory.path().join(format!("{name}-restore"));
        write_program(&wrapper, &script);
        let called = directory.path().join(name);
        let tool = Tool::named(&called.to_string_lossy()).expect("iptables works");
        let real = Self { tool, directory };
        real.written();
        real
    }

    fn record(&self) -> PathBuf {
        self.directory.path().join("record")
    }

    pub fn program(&self, what: &str) -> PathBuf {
        self.directory.path().join(format!("iptables-{}-{what}", self.tool.variant()))
    }

    /// Once `when` holds, which is asked at each run of that program of iptables', `command` is run by it, as another writer would.
    pub fn meddle(&self, what: &str, when: &str, command: &str) {
        let file = self.program(what);
        // A link is named as the program wants to be called.
        let real_one = fs::read_link(&file).unwrap_or_else(|_| {
            let aside = file.with_extension("real");
            fs::rename(&file, &aside).expect("it can be renamed");
            aside
        });
        let _ = fs::remove_file(&file);
        let (done, real_one) = (self.directory.path().join("meddled"), real_one.display());
        let done = done.display();
        let name = format!("iptables-{}", self.tool.variant());
        let (before, after) = match what {
            "save" => {
                (format!("if [ ! -e '{done}' ] && {when}; then touch '{done}'; {name} {command}; fi"), String::new())
            }
            _ => (String::new(), format!("if [ ! -e '{done}' ] && {when}; then touch '{done}'; {name} {command}; fi")),
        };
        write_program(&file, &format!("#!/bin/sh\n{before}\n'{real_one}' \"$@\"\nstatus=$?\n{after}\nexit $status\n"));
    }

    pub fn was_meddled_with(&self) -> bool {
        fs::remove_file(self.directory.path().join("meddled")).is_ok()
    }

    pub fn meddle_no_more(&self) {
        fs::write(self.directory.path().join("meddled"), "").expect("once is enough");
    }

    /// What iptables-restore locks.
    pub fn lock_file(&self) -> PathBuf {
        self.directory.path().join(LOCK)
    }

    /// What went to iptables-restore since this was asked last, but for what is written aside, which no packet comes to.
    pub fn written(&self) -> String {
        let written = fs::read_to_string(self.record()).unwrap_or_default();
        fs::write(self.record(), "").expect("the record can be emptied");
        written.split_inclusive("COMMIT\n").filter(|part| !part.contains("KOES-")).collect()
    }

    pub fn restore(&self, text: &str) {
        self.tool.restore(&mut |out| out.write_all(text.as_bytes())).expect("iptables-restore takes it");
        self.written();
    }

    pub fn saved(&self, table: Table) -> String {
        let mut text = String::new();
        let line = &mut |line: &str| text.extend([line, "\n"]);
        self.tool.save(table, line).expect("iptables-save works");
        text
    }

    /// Both tables, without what changes anyway: comments with the time, and counters.
    pub fn tables(&self) -> String {
        let text = Table::ALL.map(|table| self.saved(table)).concat();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| format!("{}\n", line.split(" [").next().unwrap_or_default())).collect()
    }
}

pub fn write_program(file: &Path, script: &str) {
    fs::write(file, script).expect("a script");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("it can be run");
}
