//! EOS itself: its version, its userland, whether it lets unsigned extensions in, its Docker.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use common::{arch::Arch, command::find_on_path};

use super::{Finding, Roles};
use crate::{containers, release, systemd};

/// What an image says of itself in its root.
const VERSION_FILES: [&str; 2] = ["/etc/swi-version", "/etc/Eos-release"];

const STARTUP_CONFIG: &str = "/mnt/flash/startup-config";

/// Nothing older has been thought of.
const OLDEST: (u32, u32) = (4, 20);

pub fn look(roles: Roles) -> Vec<Finding> {
    let texts: String = VERSION_FILES.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let systemd = systemd::version().map_or_else(|_| "no systemd".to_owned(), |version| format!("systemd {version}"));
    let mut found = vec![
        version(&texts, &format!("kernel {release}, {systemd}")),
        userland(arch_of("/bin/sh".as_ref()), release::arch()),
        signatures(&fs::read_to_string(STARTUP_CONFIG).unwrap_or_default()),
    ];
    if roles.worker {
        found.push(docker());
    }
    found
}

/// By what the image says: `SWI_VERSION=4.31.5M`, or `Arista Networks EOS 4.31.5M`.
fn version(texts: &str, beside: &str) -> Finding {
    let words = texts.split(|c: char| c.is_whitespace() || "=\"'".contains(c));
    let is_version = |word: &&str| word.starts_with("4.") && word[2..].starts_with(|c: char| c.is_ascii_digit());
    let Some(version) = words.clone().find(is_version) else {
        return Finding::good("EOS", format!("its version is told nowhere; {beside}"));
    };
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
        let (major, minor) = OLDEST;
        return Finding::remark(
            "EOS",
            format!("{version} is older than {major}.{minor}, for which this was never made; {beside}"),
        );
    }
    Finding::good("EOS", format!("{version}, {beside}"))
}

/// Our programs are static: they run wherever the kernel does, and all the kernels have 64 bits.
fn userland(eos: Option<Arch>, ours: Option<Arch>) -> Finding {
    match (eos, ours) {
        (Some(eos), Some(ours)) if eos != ours => Finding::remark(
            "userland",
            format!(
                "EOS' is linux/{eos}, and this SWIX is for linux/{ours}: it works, as its programs are static; the images of pods have to \
                 be for linux/{ours} where it says so. The SWIX for linux/{eos} is the one that fits"
            ),
        ),
        (Some(eos), _) => Finding::good("userland", format!("linux/{eos}")),
        (None, _) => Finding::good("userland", "neither linux/386 nor linux/amd64 by its /bin/sh: nobody can tell"),
    }
}

/// What an ELF file was made for.
fn arch_of(program: &Path) -> Option<Arch> {
    let mut header = [0; 20];
    File::open(program).ok()?.read_exact(&mut header).ok()?;
    let machine = u16::from_le_bytes([header[18], header[19]]);
    header.starts_with(b"\x7fELF").then(|| Arch::ALL.into_iter().find(|arch| arch.elf_machine() == machine))?
}

/// By the startup-config: with a policy, EOS installs no extension that nobody has signed whom it trusts.
fn signatures(startup_config: &str) -> Finding {
    let asked = startup_config.lines().map(str::trim).find(|line| line.starts_with("signature-verification"));
    match asked {
        Some(line) => Finding::remark(
            "signatures",
            format!(
                "the startup-config has `{line}`: EOS takes this SWIX only with a signature of an authority that it trusts; sign it with \
                 swix-signature, as docs/provenance.md shows, or take the line out"
            ),
        ),
        None => Finding::good("signatures", "the startup-config asks for none of extensions"),
    }
}

fn docker() -> Finding {
    match systemd::is_there(containers::UNIT) {
        Ok(true) if find_on_path("docker").is_none() => {
            Finding::problem("Docker", "docker.service is there, and no program docker: is Docker's SWIX whole?")
        }
        Ok(true) => Finding::good("Docker", "docker.service is there"),
        Ok(false) => Finding::problem("Docker", containers::NOT_THERE),
        Err(error) => Finding::good("Docker", format!("nobody can tell: {error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    #[test]
    fn the_version_is_the_images_own_and_an_old_one_is_remarked_on() {
        let of = |text: &str| version(text, "kernel 4.19.142");
        let swi = "SWI_VERSION=4.31.5M\nSWI_ARCH=i386\n";
        assert_eq!(of(swi), Finding::good("EOS", "4.31.5M, kernel 4.19.142"));
        assert_eq!(of("Arista Networks EOS 4.36.0.1F\n").said, "4.36.0.1F, kernel 4.19.142");
        assert_eq!(of("SWI_VERSION=\"4.14.16M\"").verdict, Verdict::Remark);
        assert_eq!(of("").verdict, Verdict::Good);
    }

    #[test]
    fn a_swix_for_the_other_userland_is_remarked_on_and_never_refused() {
        for (eos, ours) in [(Arch::I386, Arch::Amd64), (Arch::Amd64, Arch::I386)] {
            let found = userland(Some(eos), Some(ours));
            assert!(found.verdict == Verdict::Remark && found.said.contains(eos.goarch()), "{found:?}");
            assert_eq!(userland(Some(ours), Some(ours)).verdict, Verdict::Good);
        }
        assert_eq!(userland(Some(Arch::I386), None).verdict, Verdict::Good);
        let shell = arch_of("/bin/sh".as_ref());
        assert_eq!(shell.map(Arch::is_64_bit), Some(cfg!(target_pointer_width = "64")));
        assert_eq!(arch_of("/proc/filesystems".as_ref()), None);
    }

    #[test]
    fn a_policy_of_signatures_is_found_in_the_configuration() {
        let policy = "management security\n   !\n   signature-verification extension ssl profile SWIX\n";
        let found = signatures(policy);
        assert!(found.verdict == Verdict::Remark && found.said.contains("ssl profile SWIX"), "{found:?}");
        assert_eq!(signatures("management security\n   no signature-verification\n").verdict, Verdict::Good);
    }
}
