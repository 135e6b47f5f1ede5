//! `bench packing`: what the packing of the programs' image costs a switch: the time of a boot, processor time, memory and
//! size, by compressor and block size; against the same files without any compressor, which is as fast as packing can be.
//!
//! One switch, booted by hand again and again with the etcd data of its first boot: each time with an image that mksquashfs made
//! of the same files, and nothing of it in the page cache. Once with two cores, once with half of one.

mod switch;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use common::{command::Program, files};
use contract::places;
use indicatif::HumanBytes;

use self::switch::{Boot, PackedSwitch};
use super::{
    BenchFlags,
    figures::{Spread, machine},
};
use crate::{interrupt, lab::device};

/// How often each is timed unless `--rounds` says it.
const ROUNDS: usize = 1;

const PACK: Duration = Duration::from_secs(10 * 60);

/// What the programs are run from.
#[derive(Clone, Copy, PartialEq)]
enum From {
    /// The image of the SWIX.
    Shipped,
    /// What mksquashfs makes with such options.
    Image(&'static [&'static str]),
    /// Files in memory.
    Plain,
}

struct Variant {
    name: &'static str,
    from: From,
    /// Etcd's data is in memory, where fsync costs nothing.
    etcd_in_memory: bool,
}

const fn image(name: &'static str, options: &'static [&'static str]) -> Variant {
    Variant { name, from: From::Image(options), etcd_in_memory: false }
}

const VARIANTS: [Variant; 8] = [
    Variant { name: "as the SWIX has it: xz with the x86 filter, 1 MiB", from: From::Shipped, etcd_in_memory: false },
    image("xz with the x86 filter, 256 KiB", &["-comp", "xz", "-Xbcj", "x86", "-b", "256K"]),
    image("xz with the x86 filter, 128 KiB", &["-comp", "xz", "-Xbcj", "x86", "-b", "128K"]),
    image("gzip, 128 KiB", &["-comp", "gzip", "-b", "128K"]),
    image("lzo, 128 KiB", &["-comp", "lzo", "-b", "128K"]),
    image("lz4, 128 KiB", &["-comp", "lz4", "-Xhc", "-b", "128K"]),
    Variant { name: "no compressor: files in memory", from: From::Plain, etcd_in_memory: false },
    Variant { name: "the same, and etcd's data in memory", from: From::Plain, etcd_in_memory: true },
];

/// A share of the machine's processors.
struct Cores {
    said: &'static str,
    /// As Docker takes it.
    cpus: &'static str,
}

const CORES: [Cores; 2] = [
    Cores { said: "Two cores", cpus: "2" },
    // What one thread of a switch's processor does beside EOS' agents.
    Cores { said: "Half of one core", cpus: "0.5" },
];

struct Packed {
    variant: &'static Variant,
    image: PathBuf,
    swix: u64,
}

pub fn run(flags: &BenchFlags) -> Result<()> {
    // There is a switch to take away.
    interrupt::watch();
    let swix = device::newest_swix()?;
    let rounds = flags.rounds.map_or(ROUNDS, usize::from);
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let packed = pack(&swix, scratch.path())?;
    let switch = PackedSwitch::up(&swix)?;

    flags.wait_for_quiet()?;
    let machine = machine();
    let mut text = format!(include_str!("packing/head.txt"), rounds = rounds, machine = machine);
    for cores in &CORES {
        switch.share(cores.cpus)?;
        let mut boots: Vec<Vec<Boot>> = packed.iter().map(|_| Vec::new()).collect();
        // Each is as often early as late.
        for round in 0..rounds {
            for place in 0..packed.len() {
                let which = if round % 2 == 0 { place } else { packed.len() - 1 - place };
                let boot = switch.boot(&packed[which].image, packed[which].variant)?;
                println!("{}, {}: {boot}", cores.said, packed[which].variant.name);
                boots[which].push(boot);
            }
        }
        text += &table(cores, &packed, &boots)?;
    }
    super::publish("packing-figures.md", &text)
}

/// The images, beside one another.
fn pack(swix: &Path, scratch: &Path) -> Result<Vec<Packed>> {
    let shipped = scratch.join("shipped/programs.squashfs");
    files::create_dir(&scratch.join("shipped"))?;
    let swix_size = fs::metadata(swix).with_context(|| format!("cannot look at {}", swix.display()))?.len();
    let extracted = unpack_image(swix, scratch)?;
    fs::rename(&extracted, &shipped).with_context(|| format!("cannot move {}", extracted.display()))?;
    let files = scratch.join("files");
    tool("unsquashfs")?.args(["-no-progress", "-quiet", "-dest"]).arg(&files).arg(&shipped).limit(PACK).read()?;
    let shipped_size = in_payload(&shipped)?;
    let mut packed = Vec::new();
    for (number, variant) in VARIANTS.iter().enumerate() {
        let image = match variant.from {
            From::Shipped | From::Plain => shipped.clone(),
            From::Image(options) => {
                println!("packing: {}", variant.name);
                let directory = scratch.join(number.to_string());
                files::create_dir(&directory)?;
                let image = directory.join("programs.squashfs");
                tool("mksquashfs")?
                    .arg(&files)
                    .arg(&image)
                    .args(["-all-root", "-no-progress", "-quiet", "-no-xattrs"])
                    .args(options)
                    .limit(PACK)
                    .read()?;
                image
            }
        };
        // What else is in the SWIX stays as it is; the RPM's payload is compressed once more.
        packed.push(Packed { variant, swix: swix_size - shipped_size + in_payload(&image)?, image });
    }
    Ok(packed)
}

fn tool(name: &str) -> Result<Program> {
    Program::new(name, "pack the programs in other ways (it is in Debian's squashfs-tools)")
}

/// The image that the SWIX' RPM holds.
fn unpack_image(swix: &Path, scratch: &Path) -> Result<PathBuf> {
    let directory = scratch.join("swix");
    files::create_dir(&directory)?;
    Program::new("unzip", "take the SWIX apart")?.arg("-q").arg(swix).arg("-d").arg(&directory).limit(PACK).read()?;
    let listed = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let rpm = listed.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "rpm"));
    let rpm = rpm.with_context(|| format!("{} has no RPM", swix.display()))?;
    let take_apart = "rpm2cpio \"$1\" | cpio --quiet --extract --make-directories '*/programs.squashfs'";
    Program::new("sh", "take the RPM apart")?
        .args(["-c", take_apart, "sh"])
        .arg(&rpm)
        .dir(&directory)
        .limit(PACK)
        .read()?;
    let image = directory.join(places::PROGRAMS_IMAGE.trim_start_matches('/'));
    ensure!(image.is_file(), "the RPM of {} has no image of programs", swix.display());
    Ok(image)
}

/// What a file weighs in the payload of an RPM, which is compressed with gzip.
fn in_payload(file: &Path) -> Result<u64> {
    let gzip = Program::new("sh", "see what an image weighs in an RPM")?;
    let printed = gzip.args(["-c", "gzip --best --stdout \"$1\" | wc --bytes", "sh"]).arg(file).limit(PACK).read()?;
    printed.trim().parse().with_context(|| format!("{printed:?} is no size"))
}

fn table(cores: &Cores, packed: &[Packed], boots: &[Vec<Boot>]) -> Result<String> {
    let mut text = format!(
        "\n## {}\n\n| programs | size of the SWIX | API server is healthy | node is Ready | processor time until then | of it the API server's | \
         memory of the services | page cache |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
        cores.said
    );
    for (Packed { variant, swix, .. }, boots) in packed.iter().zip(boots) {
        let median = |of: fn(&Boot) -> Duration| {
            let times: Vec<Duration> = boots.iter().map(of).collect();
            Spread::of(&times).map_or(0.0, |spread| spread.median.as_secs_f64())
        };
        let mib = |of: fn(&Boot) -> u64| {
            let mut all: Vec<u64> = boots.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).map_or(0, |kib| kib / 1024)
        };
        let size = if variant.from == From::Plain { String::new() } else { HumanBytes(*swix).to_string() };
        writeln!(
            text,
            "| {} | {size} | {:.1} s | {:.1} s | {:.1} s | {:.1} s | {} MiB | {} MiB |",
            variant.name,
            median(|boot| boot.api_server),
            median(|boot| boot.ready),
            median(|boot| boot.processor),
            median(|boot| boot.processor_of_api_server),
            mib(|boot| boot.services),
            mib(|boot| boot.page_cache),
        )?;
    }
    Ok(text)
}
