//! `update`, `outdated`, and fetching by the lock file, from a suite of the tests' own that moves. It is signed, and is all that
//! apt knows.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command as Process,
};

use assert_cmd::Command;
use common::{Sha256, command::find_on_path};

use crate::support::{Place, assert_says, end, nowhere, refused, succeeds};

const NEEDS_APT: &str = "this test needs gpg (Debian: gnupg) and apt";

/// What moves, with what depends on it.
const MOVING: &str = "[[origin]]\n[origin.debian-packages]\nsuite = \"stable\"\n[origin.debian-packages.moving]\n\
                      suite = \"moving\"\npackages = [\"cc\"]\nwith-dependencies = [\"libcc\"]\n";

/// A mirror with the suites `moving` and `stable`, and recipes of which the toolchain `go` comes from there.
struct Mirror {
    place: Place,
}

impl Mirror {
    fn new(more: &str) -> Self {
        let mirror = Mirror { place: Place::new(&format!("{MOVING}{more}"), &nowhere()) };
        for directory in ["gnupg", "pool", "none"] {
            fs::create_dir(mirror.path(directory)).unwrap();
        }
        let key = ["--quick-generate-key", "tests <tests@example.com>", "ed25519", "sign", "never"];
        mirror.gpg(&[&["--pinentry-mode=loopback", "--passphrase", ""], &key[..]].concat());
        let export = mirror.gpg(&["--export"]);
        fs::write(mirror.path("key.gpg"), export).unwrap();
        let (here, list) = (mirror.place.directory.path().display(), mirror.path("sources.list"));
        let lines =
            ["moving", "stable"].map(|suite| format!("deb [signed-by={here}/key.gpg] copy:{here} {suite} main\n"));
        fs::write(&list, lines.concat()).unwrap();
        let settings =
            format!("Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"{here}/none\";\n", list.display());
        fs::write(mirror.path("apt.conf"), settings).unwrap();
        mirror.publish("stable", &[]);
        mirror
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let gpg = find_on_path("gpg").expect(NEEDS_APT);
        let mut command = Process::new(gpg);
        command.args(["--batch", "--quiet", "--yes", "--homedir"]).arg(self.path("gnupg")).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A suite has these packages, each with its version and what it depends on. What it had before stays in the pool.
    fn publish(&self, suite: &str, packages: &[(&str, &str, &str)]) {
        let index = self.path(&format!("dists/{suite}/main/binary-amd64"));
        fs::create_dir_all(&index).unwrap();
        let mut text = String::new();
        for (name, version, depends) in packages {
            let (file, body) = (file(name, version), body(name, version));
            fs::write(self.path(&file), &body).unwrap();
            let (size, sha256) = (body.len(), Sha256::of_bytes(&body));
            text += &format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: tests\nDescription: a test\n\
                 Depends: {depends}\nFilename: {file}\nSize: {size}\nSHA256: {sha256}\n\n"
            );
        }
        fs::write(index.join("Packages"), &text).unwrap();
        let digest = Sha256::of_bytes(&text);
        let release = format!(
            "Origin: tests\nSuite: {suite}\nCodename: {suite}\nDate: Sat, 01 Jan 2022 00:00:00 UTC\n\
             Architectures: amd64\nComponents: main\nSHA256:\n {digest} {} main/binary-amd64/Packages\n",
            text.len()
        );
        let (plain, signed) = (self.path("Release"), self.path(&format!("dists/{suite}/InRelease")));
        fs::write(&plain, release).unwrap();
        self.gpg(&["--clearsign", "--output", signed.to_str().unwrap(), plain.to_str().unwrap()]);
    }

    fn xtask(&self, cache: &str, arguments: &[&str]) -> Command {
        let mut command = crate::support::xtask(&self.path(cache));
        command.env("APT_CONFIG", self.path("apt.conf")).args(arguments).arg("--recipes").arg(self.place.recipes());
        command
    }

    fn fetch(&self, cache: &str) -> Command {
        let thing = format!("--source=thing={}", self.path("thing").display());
        self.xtask(cache, &["fetch", &thing])
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.place.recipes().join("go.lock.toml")).unwrap_or_default()
    }

    fn has(&self, cache: &str, name: &str, version: &str) -> bool {
        self.path(cache).join("blobs").join(Sha256::of_bytes(body(name, version)).to_string()).exists()
    }
}

impl Drop for Mirror {
    /// gpg has left an agent.
    fn drop(&mut self) {
        let _ = Process::new("gpgconf").arg("--homedir").arg(self.path("gnupg")).args(["--kill", "gpg-agent"]).status();
    }
}

fn file(name: &str, version: &str) -> String {
    format!("pool/{name}_{}_amd64.deb", version.rsplit(':').next().unwrap())
}

fn body(name: &str, version: &str) -> String {
    format!("{name} {version}\n")
}

const FIRST: [(&str, &str, &str); 2] = [("cc", "1:1.0+a~b1", "libcc1 (= 1.0), libc6"), ("libcc1", "1.0", "libc6")];
const SECOND: [(&str, &str, &str); 2] = [("cc", "1:2.0", "libcc2, libc6"), ("libcc2", "2.0", "libc6")];

#[test]
#[ignore = "needs apt and gpg: run by cargo xtask test"]
fn a_lock_is_written_kept_while_its_suite_moves_and_renewed_by_update_alone() {
    let mirror = Mirror::new("");
    mirror.publish("moving", &FIRST);
    let error = refused(&mut mirror.fetch("cache"));
    assert_says(&error, &["go.lock.toml: no lock file", "run `cargo xtask update`"]);
    assert_says(
        &succeeds(&mut mirror.xtask("cache", &["update"])).out,
        &["go is locked anew\n", "cc for amd64: new, 1:1.0"],
    );
    let first = mirror.lock();
    assert_says(&first, &["version = \"1:1.0+a~b1\"", "name = \"libcc1\"", "suite = \"moving\""]);
    assert!(!first.contains("pool") && !first.contains("copy:"), "a place is in {first}");
    succeeds(&mut mirror.fetch("cache"));
    assert!(mirror.has("cache", "cc", "1:1.0+a~b1"));
    let current = succeeds(&mut mirror.xtask("cache", &["outdated", "--exit-code"])).out;
    assert_eq!(current, "go is locked as its suites have it\n");

    // The index has the next version, and the pool has both: also of the library whose name is another now.
    mirror.publish("moving", &SECOND);
    let outdated = "go is outdated\n    cc for amd64: 1:1.0+a~b1 -> 1:2.0\n    libcc1 for amd64: gone, was 1.0 of moving\n    \
                    libcc2 for amd64: new, 2.0 of moving\n";
    assert_eq!(succeeds(&mut mirror.xtask("other", &["outdated"])).out, outdated);
    let failed = end(&mut mirror.xtask("other", &["outdated", "--exit-code"]));
    assert_eq!((failed.code, failed.out.as_str()), (Some(1), outdated));
    assert_eq!(mirror.lock(), first);
    succeeds(&mut mirror.fetch("other"));
    assert!(mirror.has("other", "cc", "1:1.0+a~b1") && mirror.has("other", "libcc1", "1.0"));
    assert!(!mirror.has("other", "cc", "1:2.0"));

    for (name, version, _) in FIRST {
        fs::remove_file(mirror.path(&file(name, version))).unwrap();
    }
    let error = refused(&mut mirror.fetch("third"));
    let digest = Sha256::of_bytes(body("cc", "1:1.0+a~b1"));
    let gone = format!("cc 1:1.0+a~b1 for amd64, sha256 {digest}; moving has 1:2.0");
    assert_says(&error, &["no mirror of this machine has any more what is locked", &gone, "run `cargo xtask update`"]);
    assert_says(&error, &["libcc1 1.0 for amd64, sha256 ", "; moving has no such package"]);
    assert_says(&succeeds(&mut mirror.xtask("third", &["update"])).out, &["cc for amd64: 1:1.0+a~b1 -> 1:2.0"]);
    succeeds(&mut mirror.fetch("third"));
    assert!(mirror.has("third", "libcc2", "2.0"));
}

#[test]
#[ignore = "needs apt and gpg: run by cargo xtask test"]
fn a_build_whose_recipe_allows_it_goes_on_with_what_the_suite_has_and_says_so() {
    let mirror = Mirror::new("when-gone = \"newest\"\n");
    mirror.publish("moving", &FIRST);
    succeeds(&mut mirror.xtask("cache", &["update"]));
    mirror.publish("moving", &SECOND);
    FIRST.iter().for_each(|(name, version, _)| fs::remove_file(mirror.path(&file(name, version))).unwrap());
    let fetched = succeeds(&mut mirror.fetch("cache"));
    assert_says(&fetched.err, &["go: no mirror of this machine has any more", "Taking cc 1:2.0", "not locked"]);
    assert!(mirror.has("cache", "cc", "1:2.0") && mirror.has("cache", "libcc2", "2.0"));
    let answers = answers(&mirror.path("cache/steps/fetch-go"));
    assert_eq!(answers.len(), 1);
    assert_says(&answers[0], &["\"unlocked\": true", "not by the lock file"]);
    // The lock of another day is another key.
    succeeds(&mut mirror.xtask("cache", &["update"]));
    succeeds(&mut mirror.fetch("cache"));
    let steps = fs::read_dir(mirror.path("cache/steps/fetch-go")).unwrap().count();
    assert_eq!(steps, 2);
}

/// What each finished step of a fetch says.
fn answers(steps: &Path) -> Vec<String> {
    let entries = fs::read_dir(steps).unwrap().map(|entry| entry.unwrap().path().join("out/fetched.json"));
    entries.map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
#[ignore = "needs apt and gpg: run by cargo xtask test"]
fn an_update_that_fails_leaves_the_lock_as_it_was() {
    let mirror = Mirror::new("");
    mirror.publish("moving", &FIRST);
    succeeds(&mut mirror.xtask("cache", &["update", "--source", "go"]));
    let first = mirror.lock();
    mirror.publish("moving", &[("libcc1", "1.0", "libc6")]);
    let error = refused(&mut mirror.xtask("cache", &["update"]));
    assert_says(&error, &["cannot tell what there is of go", "moving has no package cc"]);
    let index = mirror.path("dists/moving/InRelease");
    fs::write(&index, fs::read_to_string(&index).unwrap().replace("Codename: moving", "Codename: moved")).unwrap();
    assert_says(&refused(&mut mirror.xtask("cache", &["update"])), &["cannot tell what there is of go", "signature"]);
    assert_eq!(mirror.lock(), first);
}

#[test]
fn a_source_that_does_not_move_is_answered_with_those_that_do() {
    let place = Place::new(MOVING, &nowhere());
    for verb in ["update", "outdated"] {
        let error = refused(place.xtask().args([verb, "--source", "thing", "--recipes"]).arg(place.recipes()));
        assert_says(&error, &["--source thing: no source of that name moves; there are go"]);
    }
}
