//! Power cuts on a real vfat: a machine of QEMU's, whose flash is a disk with a FAT and EOS' mount options. It is ended at a random
//! moment while it makes the state's file, takes a directory over or writes into the file; then it boots again, dosfsck looks at the
//! flash as at each boot of EOS, and what was there has to be there.
//!
//! This test's own program is what runs in the machine, with Debian's kernel. What a cut takes is what Linux had not written to the
//! disk yet; a disk that loses what it has said it has is not in it.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use super::tests::switch;
use super::*;

/// A directory: `kernel` in it is what `dpkg -x` makes of a linux-image of Debian's; the log of the cuts is written there.
const DIRECTORY: &str = "KOE_VM";
const CUTS: &str = "KOE_POWER_CUTS";
const BY_DEFAULT: usize = 10;

/// EOS' own.
const OPTIONS: &str = "rw,dirsync,noatime,gid=88,fmask=0007,dmask=0007,allow_utime=0020";
const FLASH_BYTES: u64 = 420 << 20;

/// In the order in which they can be loaded, but for what each needs.
const MODULES: [&str; 8] =
    ["virtio_pci", "virtio_blk", "nls_cp437", "nls_ascii", "vfat", "loop", "crc32c_generic", "ext4"];

/// What dosfsck says of files and chains, and not of the mark that a FAT was in use.
const REPAIRS: [&str; 7] = ["Truncating", "shares clusters", "Reclaim", "Dropping", "Orphan", "Renaming", "Bad "];

const PROGRAMS: [&str; 6] = ["mount", "umount", "losetup", "e2fsck", "dosfsck", "sync"];

/// A boot, on a busy machine without KVM.
const BOOT: Duration = Duration::from_secs(600);

/// How a line begins that the machine says.
const SAID: &str = "machine: ";

fn say(what: impl std::fmt::Display) {
    println!("{SAID}{what}");
}

/// What is said where the quickest things begin.
const QUICK: &str = "puts the state";

fn counter() -> String {
    format!("{}/counter", places::STATE)
}

/// The program of the machine, which ends with it.
#[test]
#[ignore = "is run by `the_state_survives_power_cuts_on_vfat`, in its machine"]
fn machine() {
    let line = fs::read_to_string("/proc/cmdline").unwrap();
    let Some(task) = line.split_whitespace().find_map(|word| word.strip_prefix("koe=")) else {
        panic!("this is no machine of the test");
    };
    let checked = Command::new("dosfsck").args(["-a", "/dev/vda"]).output().unwrap();
    for line in String::from_utf8_lossy(&checked.stdout).lines().skip(1) {
        say(format!("dosfsck: {line}"));
    }
    let mounted = Command::new("mount").args(["-t", "vfat", "-o", OPTIONS, "/dev/vda", places::FLASH]).status();
    assert!(mounted.unwrap().success());
    match task {
        "directory" => make_directory(),
        "run" => run(),
        _ => check(),
    }
    say("ends");
}

fn digest(file: &Path) -> String {
    common::digest::Sha256::of_file(file).unwrap().to_string()
}

fn key() -> PathBuf {
    Path::new(places::PKI).join("ca-key.pem")
}

fn make_key() {
    files::create_dir(places::PKI.as_ref()).unwrap();
    let random = Id::random().unwrap().to_string();
    files::write_for_owner(&key(), random.as_bytes()).unwrap();
    say(format!("ca {}", digest(&key())));
}

/// As an older release leaves it.
fn make_directory() {
    make_key();
    files::create_dir(&Path::new(places::ETCD).join("member/wal")).unwrap();
    for number in 0..4 {
        files::write_atomically(Path::new(&format!("{}/member/wal/{number}", places::ETCD)), vec![7; 3 << 20]).unwrap();
    }
    assert!(Command::new("umount").arg(places::FLASH).status().unwrap().success());
}

fn taking_over() -> Switch {
    let mut switch = switch("veos-b");
    switch.cluster.storage.take_over = true;
    switch
}

fn run() {
    say("begins");
    let made = ready(&taking_over(), |what| {
        say(what);
        Ok(())
    });
    say(format!("{:?}", made.unwrap().said));
    if !key().exists() {
        make_key();
    }
    for count in 0..1000 {
        files::write_atomically(counter().as_ref(), format!("{count}")).unwrap();
        // What is written beside it makes the journal go round.
        files::write_atomically(format!("{}-{}", counter(), count % 7).as_ref(), vec![count as u8; 200_000]).unwrap();
        say(format!("synced {count}"));
    }
}

fn check() {
    let found = match look().unwrap() {
        Found::Directory => "the directory".to_owned(),
        Found::Mounted => "mounted".to_owned(),
        Found::Unmounted => "the file".to_owned(),
        Found::Lost(why) => format!("lost: {why}"),
    };
    say(format!("found {found}, marker {}, aside {}", Path::new(places::STATE_MARKER).exists(), before::all().len()));
    say(format!("{:?}", ready(&taking_over(), |_| Ok(())).unwrap()));
    if key().exists() {
        say(format!("ca {}", digest(&key())));
    }
    say(format!("counter {}", fs::read_to_string(counter()).unwrap_or_default()));
    unmount().unwrap();
    let checked = Command::new("e2fsck").args(["-f", "-n", places::STATE_FILE]).output().unwrap();
    say(format!("e2fsck {}", checked.status));
    assert!(Command::new("umount").arg(places::FLASH).status().unwrap().success());
}

/// The machine's disk and what it boots.
struct Machine {
    kernel: PathBuf,
    initramfs: PathBuf,
    disk: PathBuf,
}

impl Machine {
    fn new(directory: &Path, beside: &Path) -> Machine {
        let boot = fs::read_dir(directory.join("kernel/boot")).expect("see CONTRIBUTING.md for KOE_VM");
        let mut files = boot.map(|entry| entry.unwrap().path());
        let kernel = files.find(|path| path.file_name().unwrap().as_encoded_bytes().starts_with(b"vmlinuz-"));
        let machine = Machine {
            kernel: kernel.expect("a kernel in KOE_VM/kernel/boot"),
            initramfs: beside.join("initramfs"),
            disk: beside.join("flash"),
        };
        machine.make_initramfs(&directory.join("kernel/lib/modules"), &beside.join("root"));
        machine
    }

    fn make_initramfs(&self, modules: &Path, root: &Path) {
        for directory in ["bin", "lib/modules", "proc", "sys", "dev", "run", "tmp", "mnt/flash"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let with_libraries = |program: &Path, name: &str| {
            fs::copy(program, root.join("bin").join(name)).unwrap();
            let listed = Command::new("ldd").arg(program).output().unwrap();
            for word in String::from_utf8_lossy(&listed.stdout).split_whitespace().filter(|word| word.starts_with('/'))
            {
                let place = root.join(word.trim_start_matches('/'));
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::copy(word, place).unwrap();
            }
        };
        for name in PROGRAMS {
            with_libraries(&common::command::find_on_path(name).expect(name), name);
        }
        fs::copy(common::command::find_on_path("busybox").expect("busybox-static"), root.join("bin/busybox")).unwrap();
        with_libraries(&std::env::current_exe().unwrap(), "program");
        let stripped = Command::new("strip").arg(root.join("bin/program")).status();
        assert!(stripped.unwrap().success());
        let mut loaded = Vec::new();
        MODULES.iter().for_each(|module| load(module, modules, &mut loaded));
        let mut init = String::from(
            "#!/bin/busybox sh\nexport PATH=/bin RUST_BACKTRACE=0\nbusybox mount -t proc proc /proc\nbusybox mount -t sysfs sys /sys\n\
             busybox mount -t devtmpfs dev /dev\nbusybox mount -t tmpfs run /run\n",
        );
        for module in loaded {
            let name = module.file_name().unwrap().to_str().unwrap();
            fs::copy(&module, root.join("lib/modules").join(name)).unwrap();
            init.push_str(&format!("busybox insmod /lib/modules/{name}\n"));
        }
        init.push_str(
            "while [ ! -b /dev/vda ]; do busybox sleep 0.1; done\n\
             program storage::power_cuts::machine --exact --include-ignored --nocapture\nbusybox poweroff -f\n",
        );
        // Nothing of Kubernetes runs there.
        for (file, text) in
            [("init", init.as_str()), ("bin/systemctl", "#!/bin/busybox sh\necho ActiveState=inactive\n")]
        {
            fs::write(root.join(file), text).unwrap();
            fs::set_permissions(root.join(file), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let pack = format!("find . | cpio -o -H newc --quiet | gzip -1 >{}", self.initramfs.display());
        assert!(Command::new("sh").args(["-ec", &pack]).current_dir(root).status().unwrap().success());
    }

    fn format(&self) {
        File::create(&self.disk).unwrap().set_len(FLASH_BYTES).unwrap();
        let made = Command::new("mkfs.vfat").args(["-F", "32"]).arg(&self.disk).stdout(Stdio::null()).status();
        assert!(made.unwrap().success());
    }

    /// Boots, and hands over what it says; its power is cut where `cut` says so, of a line and the time since the machine began, or
    /// since the last line. Whether it has ended by itself.
    fn boot(&self, task: &str, mut cut: impl FnMut(Option<&str>, Duration) -> bool) -> (bool, Vec<String>) {
        let mut machine = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024", "-nographic", "-no-reboot"])
            .args(["-monitor", "none", "-serial", "stdio", "-nic", "none", "-kernel"])
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args(["-append", &format!("console=ttyS0 quiet panic=-1 koe={task}"), "-drive"])
            .arg(format!("file={},format=raw,if=virtio,cache=writeback", self.disk.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-x86");
        let (sender, lines) = channel();
        let output = BufReader::new(machine.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let (mut said, begun, mut began) = (Vec::new(), Instant::now(), None);
        let ended = loop {
            let line = match lines.recv_timeout(Duration::from_millis(5)) {
                Ok(line) => line.find(SAID).map_or(line.clone(), |at| line[at..].to_owned()),
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => String::new(),
            };
            let line = line.trim_end();
            if line.contains("begins") {
                began = Some(Instant::now());
            }
            if !line.is_empty() {
                said.push(line.to_owned());
            }
            let since = began.map(|began| began.elapsed()).unwrap_or_default();
            if began.is_some() && cut((!line.is_empty()).then_some(line), since) || begun.elapsed() > BOOT {
                break false;
            }
        };
        let _ = machine.kill();
        machine.wait().unwrap();
        (ended, said)
    }
}

/// A module behind those that it needs.
fn load(name: &str, modules: &Path, loaded: &mut Vec<PathBuf>) {
    let is_it = |path: &Path| {
        let file = path.file_name().unwrap().to_string_lossy();
        file.strip_suffix(".ko").is_some_and(|file| file.replace('-', "_") == name.replace('-', "_"))
    };
    let found = Command::new("find").arg(modules).args(["-name", "*.ko"]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    let Some(path) = found.lines().map(PathBuf::from).find(|path| is_it(path)) else { return };
    let bytes = fs::read(&path).unwrap();
    let needs = bytes.windows(9).position(|window| window == b"\0depends=").map(|at| &bytes[at + 9..]);
    let needs = needs.map(|text| &text[..text.iter().position(|byte| *byte == 0).unwrap()]).unwrap_or_default();
    let needs = String::from_utf8_lossy(needs).into_owned();
    needs.split(',').filter(|need| !need.is_empty()).for_each(|need| load(need, modules, loaded));
    if !loaded.contains(&path) {
        loaded.push(path);
    }
}

fn value(said: &[String], name: &str) -> Option<String> {
    let begin = format!("{SAID}{name} ");
    said.iter().rev().find_map(|line| line.strip_prefix(&begin).map(str::to_owned))
}

fn random(below: u64) -> u64 {
    u64::from_le_bytes(Id::random().unwrap().0[..8].try_into().unwrap()) % below.max(1)
}

/// Goes on where it was interrupted: each cut is a line of the log.
#[test]
#[ignore = "needs QEMU, dosfstools and a kernel in KOE_VM: CONTRIBUTING.md; about a minute a cut"]
fn the_state_survives_power_cuts_on_vfat() {
    let directory = PathBuf::from(std::env::var(DIRECTORY).expect("KOE_VM: CONTRIBUTING.md"));
    let cuts = std::env::var(CUTS).map_or(BY_DEFAULT, |number| number.parse().unwrap());
    let beside = tempfile::tempdir_in(&directory).unwrap();
    let machine = Machine::new(&directory, beside.path());
    let with_directory = beside.path().join("with-directory");
    machine.format();
    let (ended, said) = machine.boot("directory", |_, _| false);
    assert!(ended, "{said:#?}");
    let known = value(&said, "ca").unwrap_or_else(|| panic!("{said:#?}"));
    fs::copy(&machine.disk, &with_directory).unwrap();
    let log = directory.join("power-cuts.log");
    let done = fs::read_to_string(&log).unwrap_or_default().lines().filter(|line| line.ends_with("kept")).count();
    let mut log = File::options().append(true).create(true).open(log).unwrap();
    // How long a whole run takes here, and what is quick in it.
    let (mut whole, mut begun, mut quick) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    machine.boot("run", |line, since| {
        match line {
            Some(line) if line.contains(QUICK) => begun = since,
            Some(line) if line.contains("put the state") => quick = since - begun,
            _ => {}
        }
        whole = since;
        line.is_some_and(|line| line.contains("synced 30"))
    });
    let mut moments = BTreeSet::new();
    for number in done..cuts {
        let takeover = number % 4 != 0;
        match takeover {
            true => drop(fs::copy(&with_directory, &machine.disk).unwrap()),
            false => machine.format(),
        }
        // Two of three where the copy, the label, the rename, what is covered, the marker and the mount follow each other.
        let (of, from) = if number % 3 == 1 { (whole, "begins") } else { (quick, QUICK) };
        let wait = Duration::from_micros(random(of.as_micros() as u64));
        let (mut last, mut last_at, mut at) = (String::new(), Duration::ZERO, Duration::MAX);
        let (ended, before) = machine.boot("run", |line, since| {
            if let Some(line) = line.filter(|line| line.starts_with(SAID)) {
                (last, last_at) = (line[SAID.len()..].to_owned(), since);
                if line.contains(from) {
                    at = since + wait;
                }
            }
            since >= at
        });
        assert!(!ended, "it was over before its power was cut: {before:#?}");
        let (ended, after) = machine.boot("check", |_, _| false);
        let ca = if takeover { Some(known.clone()) } else { value(&before, "ca") };
        let synced = value(&before, "synced").map(|count| count.parse::<u64>().unwrap());
        let counter = value(&after, "counter").and_then(|count| count.trim().parse::<u64>().ok());
        let is_kept = ended
            && after.iter().any(|line| line.contains("ends"))
            && (ca.is_none() || value(&after, "ca") == ca)
            && synced.is_none_or(|synced| counter.is_some_and(|counter| counter >= synced))
            && value(&after, "e2fsck").is_some_and(|status| status == "exit status: 0");
        let what = if takeover { "takeover" } else { "first boot" };
        let found = value(&after, "found").unwrap_or_default();
        let repairs = after.iter().filter(|line| REPAIRS.iter().any(|repair| line.contains(repair))).count();
        fs::write(directory.join(format!("cut-{number}.log")), [before.clone(), after.clone()].concat().join("\n"))
            .unwrap();
        writeln!(
            log,
            "{number} {what}: cut {} ms after \"{last}\": found {found}; dosfsck repaired {repairs}; {}",
            (at - last_at).as_millis(),
            if is_kept { "kept" } else { "LOST" }
        )
        .unwrap();
        moments.insert(last.split(':').next().unwrap_or_default().to_owned());
        assert!(is_kept, "cut {} ms after {last:?}: {before:#?}\n{after:#?}", (at - last_at).as_millis());
    }
    println!("cut {} times, after {moments:?}", cuts.saturating_sub(done));
}
