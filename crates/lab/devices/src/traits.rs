//! Habits of EOS that the stand-in has, or can have: each is a named trait, on or off for a lab.
//!
//! [`TRAITS`] is the registry. The image has the same names and presets in `docker/veos/rootfs/usr/share/veos-stand-in/traits`, docs/stand-in.md the
//! same names, numbers and tests; a test holds the three together. What a lab wants otherwise is a [`Traits`], which goes to each switch's flash
//! and is read there at every boot. A trait is proved on the bare stand-in, without the product: none certifies itself.

use std::{collections::BTreeMap, fmt, str::FromStr};

use anyhow::{Context, Result, bail, ensure};

/// Where a stand-in finds what its lab wants otherwise, below /mnt/flash.
pub const ON_FLASH: &str = ".stand-in";

/// One habit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trait {
    pub name: &'static str,
    /// Its numbers in EOS-FACTS.
    pub facts: &'static [&'static str],
    pub preset: Preset,
    /// The test of the bare stand-in, in `tests/stand_in/traits`.
    pub bare_test: &'static str,
}

/// What a stand-in does where its lab says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// It is so made, and cannot be otherwise.
    Always,
    On,
    Off {
        why: &'static str,
    },
}

/// It is one of several ways; the topologies have the usual one.
const ONE_OF_SEVERAL: &str = "it is one of several ways of EOS, and the topologies have the most usual one";

/// As long as the whole suite has not been played with them.
const STRICT: &str = "the strict first boot of .ci/run has it, and no other scenario yet";

pub const TRAITS: [Trait; 17] = [
    Trait {
        name: "extension-commands",
        facts: &["20"],
        preset: Preset::Always,
        bare_test: "extension_is_no_program_of_the_shell_and_fastcli_does_it_all",
    },
    Trait {
        name: "extensions-first",
        facts: &["4"],
        preset: Preset::On,
        bare_test: "an_extension_finds_no_name_no_address_and_no_route_and_a_switch_has_them_later",
    },
    Trait {
        name: "cli-after-configuration",
        facts: &["4"],
        preset: Preset::On,
        bare_test: "an_extension_finds_no_name_no_address_and_no_route_and_a_switch_has_them_later",
    },
    Trait {
        name: "rebuilt-again",
        facts: &["5"],
        preset: Preset::Off { why: "status says what was repaired, which first boots take for a complaint" },
        bare_test: "what_others_put_into_the_kernel_is_gone_some_seconds_after_the_configuration",
    },
    Trait {
        name: "eos-chains",
        facts: &["7", "8"],
        preset: Preset::On,
        bare_test: "a_port_that_eos_does_not_know_is_closed_until_eos_input_has_a_rule_for_it",
    },
    Trait {
        name: "one-cli-lock",
        facts: &["11"],
        preset: Preset::Off { why: STRICT },
        bare_test: "a_command_line_that_a_scriptlet_opens_waits_for_the_command_that_runs_the_scriptlet",
    },
    Trait {
        name: "aaa",
        facts: &["11"],
        preset: Preset::Off { why: STRICT },
        bare_test: "aaa_refuses_root_without_the_flag_that_passes_it_by",
    },
    Trait {
        name: "signatures",
        facts: &["14"],
        preset: Preset::Off {
            why: "EOS verifies signatures where an operator has told it to; our SWIX is built without one",
        },
        bare_test: "a_swix_is_taken_by_the_signature_of_a_trusted_authority_alone",
    },
    Trait {
        name: "docker-late",
        facts: &["9"],
        preset: Preset::Off { why: ONE_OF_SEVERAL },
        bare_test: "docker_comes_some_seconds_after_the_configuration_and_does_not_run",
    },
    Trait {
        name: "docker-by-swix",
        facts: &["9"],
        preset: Preset::Off { why: ONE_OF_SEVERAL },
        bare_test: "docker_is_there_once_its_own_swix_is_installed",
    },
    Trait {
        name: "no-docker",
        facts: &["9"],
        preset: Preset::Off { why: "a worker cannot be without it" },
        bare_test: "a_switch_may_be_without_docker_for_ever",
    },
    Trait {
        name: "iptables-without-wait",
        facts: &["18"],
        preset: Preset::Off { why: STRICT },
        bare_test: "iptables_of_fedora_18_knows_no_wait",
    },
    Trait {
        name: "iptables-abstract-lock",
        facts: &["18"],
        preset: Preset::Off {
            why: "no scenario has it yet: the programs are tried against that lock in common's tests",
        },
        bare_test: "iptables_of_1_4_21_locks_an_abstract_socket",
    },
    Trait {
        name: "et-names",
        facts: &["21"],
        preset: Preset::Off { why: ONE_OF_SEVERAL },
        bare_test: "cables_may_be_called_et_and_carry_what_the_startup_config_says",
    },
    Trait {
        name: "arp-ignore",
        facts: &["21"],
        preset: Preset::Off { why: "a host with a /32 address has no other way to its switch; seen on cEOS alone" },
        bare_test: "an_address_is_answered_for_on_its_own_interface_alone",
    },
    Trait {
        name: "management-vrf",
        facts: &["10"],
        preset: Preset::Off { why: ONE_OF_SEVERAL },
        bare_test: "management1_may_be_in_a_vrf_which_is_a_network_namespace",
    },
    Trait {
        name: "no-pids-cgroup",
        facts: &["16"],
        preset: Preset::Off { why: "kubelet does not run without it" },
        bare_test: "an_old_kernel_has_no_pids_cgroup",
    },
];

/// What a lab wants otherwise than the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traits(BTreeMap<&'static str, bool>);

impl Traits {
    /// Fails where there is no such trait, or it cannot be turned off.
    pub fn with(mut self, name: &str, on: bool) -> Result<Self> {
        let names = || TRAITS.map(|one| one.name).join(", ");
        let known = TRAITS.iter().find(|one| one.name == name);
        let known = known.with_context(|| format!("there is no trait {name}; expected one of {}", names()))?;
        ensure!(known.preset != Preset::Always || on, "the stand-in is always so: {name} cannot be turned off");
        if known.preset != Preset::Always {
            self.0.insert(known.name, on);
        }
        Ok(self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As the stand-in reads it.
impl fmt::Display for Traits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, on)| writeln!(f, "{name} {}", if *on { "on" } else { "off" }))
    }
}

/// One trait, as `NAME=on` or `NAME=off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish(Traits);

impl FromStr for Wish {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let on = |word| match word {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => bail!("{text}: a trait is on or off, as NAME=on"),
        };
        let (name, word) = text.split_once('=').with_context(|| format!("{text}: expected NAME=on or NAME=off"))?;
        Traits::default().with(name, on(word)?).map(Wish)
    }
}

impl FromIterator<Wish> for Traits {
    fn from_iter<I: IntoIterator<Item = Wish>>(wishes: I) -> Self {
        Traits(wishes.into_iter().flat_map(|wish| wish.0.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn repository() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."))
    }

    #[test]
    fn the_image_has_each_trait_as_it_is_registered() {
        let file = repository().join("docker/veos/rootfs/usr/share/veos-stand-in/traits");
        let text = fs::read_to_string(file).unwrap();
        let of_image: BTreeSet<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let registered: BTreeSet<String> = TRAITS
            .iter()
            .filter(|one| one.preset != Preset::Always)
            .map(|one| format!("{} {}", one.name, if one.preset == Preset::On { "on" } else { "off" }))
            .collect();
        assert_eq!(of_image, registered.iter().map(String::as_str).collect());
    }

    #[test]
    fn what_is_done_before_the_boot_is_done_for_a_trait() {
        let scripts = repository().join("docker/veos/rootfs/usr/libexec/veos-stand-in/traits.d");
        for script in fs::read_dir(scripts).unwrap() {
            let name = script.unwrap().file_name().into_string().unwrap();
            assert!(TRAITS.iter().any(|one| one.name == name), "{name} is no trait");
        }
    }

    #[test]
    fn each_bare_test_is_there_and_each_trait_is_in_the_table_of_the_document() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_in/traits");
        let tests: String =
            fs::read_dir(tests).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        let document = fs::read_to_string(repository().join("docs/stand-in.md")).unwrap();
        let mut rows: BTreeSet<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
        for one in TRAITS {
            assert!(tests.contains(&format!("fn {}()", one.bare_test)), "{} has no test {}", one.name, one.bare_test);
            let begin = format!("| `{}` | {} |", one.name, one.facts.join(", "));
            let row = rows.iter().copied().find(|row| row.starts_with(&begin));
            let row = row.unwrap_or_else(|| panic!("docs/stand-in.md has no row that begins with {begin}"));
            rows.remove(row);
            let preset = match one.preset {
                Preset::Always => " | always | ".to_owned(),
                Preset::On => " | on | ".to_owned(),
                Preset::Off { why } => format!(" | off: {why} | "),
            };
            assert!(row.contains(&preset), "{}'s row lacks {preset:?}", one.name);
            assert!(row.contains(&format!("`{}`", one.bare_test)), "{}'s row lacks its test", one.name);
        }
        assert!(rows.is_empty(), "these are no traits: {rows:#?}");
    }

    #[test]
    fn a_lab_says_what_it_wants_otherwise_and_is_told_what_is_no_trait() {
        let wishes = ["aaa=on", "eos-chains=off", "aaa=off"].map(|wish| wish.parse::<Wish>().unwrap());
        assert_eq!(Traits::from_iter(wishes).to_string(), "aaa off\neos-chains off\n");
        for (wish, expected) in [
            ("aa=on", "there is no trait aa; expected one of extension-commands, "),
            ("aaa", "expected NAME=on or NAME=off"),
            ("aaa=yes", "a trait is on or off"),
            ("extension-commands=off", "cannot be turned off"),
        ] {
            let told = format!("{:#}", wish.parse::<Wish>().unwrap_err());
            assert!(told.contains(expected), "{told}");
        }
        assert!(Traits::default().with("extension-commands", true).unwrap().is_empty());
    }
}
