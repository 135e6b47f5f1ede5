//! What a device is: the image that it runs, and whether that is EOS.

use std::fmt;

use anyhow::{Context, Result};

use super::Device;
use topology::format::DeviceKind;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A name of the image's, or its digest where it has lost them.
    pub image: String,
    /// Its digest, by which Docker knows it.
    pub image_id: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Not the real thing, but ours in the place of that.
    StandInFor(String),
    Eos {
        version: String,
    },
    /// Neither a stand-in nor a switch that says its version.
    Other,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.image)?;
        match &self.what {
            What::StandInFor(of) => write!(f, ", a stand-in for {of}"),
            What::Eos { version } => write!(f, ", EOS {version}"),
            What::Other => Ok(()),
        }
    }
}

impl Device<'_> {
    /// Asks Docker, and a switch that is not a stand-in for its version; such a switch has to be on.
    pub fn identity(&self) -> Result<Identity> {
        let container = self.lab.docker.find(self.name())?.with_context(|| format!("{} is not there", self.name()))?;
        let image_id = container.image_id;
        let found = crate::images::find(&image_id)?;
        let names = found.as_ref().map_or(&[][..], |found| found.names());
        let stands_in_for = found.as_ref().and_then(|found| found.stands_in_for().map(str::to_owned));
        let image = match &stands_in_for {
            Some(_) => names.iter().find(|name| *name != self.image()),
            None => names.iter().find(|name| *name == self.image()).or(names.first()),
        };
        let image = image.cloned().unwrap_or(container.config.image);
        let what = match stands_in_for {
            Some(of) => What::StandInFor(of),
            None if self.kind() == DeviceKind::Switch => {
                let said = self.exec_ok(["FastCli", "-A", "-p", "15", "-c", "show version"])?;
                eos_version(&said).map_or(What::Other, |version| What::Eos { version: version.to_owned() })
            }
            None => What::Other,
        };
        Ok(Identity { image, image_id, what })
    }
}

/// From what `show version` prints.
fn eos_version(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.trim().strip_prefix("Software image version:")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eos_says_its_version_on_a_line_of_its_own() {
        let said = "Arista vEOS-lab\nHardware version: \nSoftware image version: 4.24.2F\nArchitecture: i686\n";
        assert_eq!(eos_version(said), Some("4.24.2F"));
        assert_eq!(eos_version("This is not Arista EOS.\n"), None);
    }
}
