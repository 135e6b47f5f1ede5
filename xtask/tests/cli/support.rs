//! The program with a cache of its own, recipes of two small sources, and a server for them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use assert_cmd::Command;
use common::Sha256;

/// Held by tests that make cargo put the program in its place again, and by those that run beside them.
static PROGRAM: Mutex<()> = Mutex::new(());

pub(crate) fn program_stays() -> MutexGuard<'static, ()> {
    PROGRAM.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A digest that nothing here has.
const PIN: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// `cargo xtask` with that cache, away from any proxy, ended if it takes too long.
pub(crate) fn xtask(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    prepare(&mut command, cache);
    command.timeout(Duration::from_secs(120));
    command
}

/// The same as a process that a test can kill, also where these tests run in a shell's background, which ignores interrupts.
pub(crate) fn process(cache: &Path) -> std::process::Command {
    let mut command = std::process::Command::new("env");
    command.args(["--default-signal=HUP,INT,TERM", env!("CARGO_BIN_EXE_xtask")]);
    for (name, value) in environment(cache) {
        command.env(name, value);
    }
    for name in PROXIES {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

const PROXIES: [&str; 6] = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// What the program finds the repository and its cache by.
pub(crate) fn environment(cache: &Path) -> [(&'static str, PathBuf); 2] {
    [("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR").into()), ("KOE_CACHE", cache.to_owned())]
}

fn prepare(command: &mut Command, cache: &Path) {
    command.envs(environment(cache));
    for name in PROXIES {
        command.env_remove(name);
    }
}

pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

#[track_caller]
pub(crate) fn end(command: &mut Command) -> Ended {
    command.output().unwrap().into()
}

/// What a command that must fail with exit code 1 said, all of it: one error, and no panic.
#[track_caller]
pub(crate) fn refused(command: &mut Command) -> String {
    let ended = end(command);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    let errors = ended.err.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "{}", ended.err);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    ended.err
}

/// What a failed command said from its error on.
#[track_caller]
pub(crate) fn last_error(text: &str) -> &str {
    if text.starts_with("error: ") {
        return text;
    }
    &text[text.rfind("\nerror: ").unwrap_or_else(|| panic!("there is no error in: {text}")) + 1..]
}

#[track_caller]
pub(crate) fn succeeds(command: &mut Command) -> Ended {
    let ended = end(command);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    ended
}

#[track_caller]
pub(crate) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Where a source comes from: recipe text of one origin.
pub(crate) fn https(url: &str, sha256: &str) -> String {
    format!("[[origin]]\nhttps = {{ url = \"{url}\", sha256 = \"{sha256}\" }}\n")
}

pub(crate) fn git(url: &str) -> String {
    format!("[[origin]]\ngit = {{ url = \"{url}\", commit = \"{}\" }}\n", "0123456789".repeat(4))
}

/// An origin at an address that no server can have.
pub(crate) fn nowhere() -> String {
    https("https://no-such-host.invalid/archive.tar.gz", PIN)
}

/// A temporary directory with recipes of a release 9.9 in it: the toolchain `go` and the component `thing`.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(go: &str, thing: &str) -> Self {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        let recipes = place.recipes();
        fs::create_dir_all(recipes.join("9.9")).unwrap();
        let release = "name = \"9.9\"\ndefault = true\nversion = \"9.9.1\"\nrevision = 1\nsource-date = 1600000000\n\
                       toolchains = [\"../go.toml\"]\ncomponents = [\"thing.toml\"]\n";
        fs::write(recipes.join("9.9/release.toml"), release).unwrap();
        fs::write(recipes.join("go.toml"), format!("name = \"go\"\nversion = \"1.0\"\n{go}")).unwrap();
        let component = format!(
            "name = \"thing\"\nversion = \"1.2.3\"\nlicense = \"Apache-2.0\"\npurl = \"pkg:generic/thing@1.2.3\"\n\
             markers = [\"main.go\"]\nimport-path = \"example.org/thing\"\n{thing}\
             [[program]]\nname = \"thing\"\ninstall = {{ path = \"bin/thing\" }}\n\
             [program.go]\ntoolchain = \"go\"\npackage = \"example.org/thing\"\n\
             [[program.check]]\nargs = []\nprints = \"\"\n"
        );
        fs::write(recipes.join("9.9/thing.toml"), component).unwrap();
        for (name, file) in [("go", "bin/go"), ("thing", "main.go")] {
            place.write(name, file, "x\n");
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn recipes(&self) -> PathBuf {
        self.path("recipes")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    /// A file of the directory that stands for a source.
    pub(crate) fn write(&self, source: &str, file: &str, text: &str) {
        let path = self.path(source).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Arguments of `fetch` that bring those sources from their directories.
    pub(crate) fn fetch(&self, brought: &[&str]) -> Vec<String> {
        let mut arguments = vec!["fetch".to_owned(), "--recipes".to_owned(), self.recipes().display().to_string()];
        arguments.extend(brought.iter().map(|name| format!("--source={name}={}", self.path(name).display())));
        arguments
    }

    pub(crate) fn xtask(&self) -> Command {
        xtask(&self.cache())
    }
}

/// Every file below a directory; none where there is no directory.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// That nothing which was under way has been left in the cache.
#[track_caller]
pub(crate) fn assert_nothing_stale(cache: &Path) {
    for directory in ["tmp", "partial"] {
        assert_eq!(files(&cache.join(directory)), Vec::<String>::new(), "left in {directory}/");
    }
    let blobs = files(&cache.join("blobs"));
    for blob in &blobs {
        let path = Path::new(blob);
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), Sha256::of_file(path).unwrap().to_string());
    }
}

/// Waits for something that another process does.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Serves one file. The first request stalls after so many bytes; those after it are answered in full.
pub(crate) struct Server {
    pub(crate) url: String,
    starts: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    pub(crate) fn start(body: Vec<u8>, stall_after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/archive.tar.gz", listener.local_addr().unwrap());
        let starts = Arc::new(Mutex::new(Vec::new()));
        let seen = starts.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (body, seen) = (body.clone(), seen.clone());
                let stall = (number == 0).then_some(stall_after);
                // Whoever asked may have been killed.
                thread::spawn(move || drop(answer(stream.unwrap(), &body, stall, &seen)));
            }
        });
        Server { url, starts }
    }

    /// Where each request asked to begin.
    pub(crate) fn starts(&self) -> Vec<usize> {
        self.starts.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    body: &[u8],
    stall_after: Option<usize>,
    starts: &Mutex<Vec<usize>>,
) -> std::io::Result<()> {
    let mut start = 0;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    starts.lock().unwrap().push(start);
    let (rest, total) = (&body[start..], body.len());
    match start {
        0 => stream.write_all(b"HTTP/1.1 200 OK\r\n")?,
        _ => write!(stream, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}\r\n", total - 1)?,
    }
    write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len())?;
    let Some(count) = stall_after else { return stream.write_all(rest) };
    stream.write_all(&rest[..count])?;
    thread::sleep(Duration::from_secs(60));
    Ok(())
}
