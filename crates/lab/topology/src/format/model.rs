//! What a device is, by docker-topo's rules: a word in its name says it.

use indexmap::IndexMap;

use crate::images;

/// docker-topo's kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    Ceos,
    Veos,
    Cvp,
    Vmx,
    Csr,
    Xrv,
    /// An image of CUSTOM_IMAGE.
    Generic,
    Host,
}

/// What a device is to those who handle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// Runs EOS: has a flash, reads its addresses from its startup-config.
    Switch,
    /// Is given its addresses.
    Host,
    /// Looks after itself.
    Other,
}

impl Model {
    pub fn kind(self) -> DeviceKind {
        match self {
            Model::Ceos | Model::Veos => DeviceKind::Switch,
            Model::Host => DeviceKind::Host,
            Model::Cvp | Model::Vmx | Model::Csr | Model::Xrv | Model::Generic => DeviceKind::Other,
        }
    }

    /// Whether it is a machine of its own inside its container, which only docker-topo knows how to start.
    pub fn only_by_docker_topo(self) -> bool {
        matches!(self, Model::Cvp | Model::Vmx | Model::Csr | Model::Xrv)
    }
}

/// The images that a file chooses.
#[derive(Debug)]
pub(super) struct Images {
    pub ceos: String,
    pub vmx: String,
    pub csr: String,
    pub xrv: String,
    pub cvp: String,
    /// A word in a device's name -> the image that it runs; the first that fits counts.
    pub custom: IndexMap<String, String>,
}

impl Images {
    pub(super) fn remarks(&self) -> Vec<String> {
        let capitals = self.custom.keys().filter(|word| word.contains(|c: char| c.is_ascii_uppercase()));
        capitals.map(|word| format!("CUSTOM_IMAGE: {word} fits no device: names count in small letters")).collect()
    }

    /// In docker-topo's order: its own words, then the file's, then `host`; whatever is left is a cEOS.
    pub(super) fn of(&self, device: &str) -> (Model, String) {
        let name = device.to_lowercase();
        let own = [
            ("cvp", Model::Cvp, self.cvp.as_str()),
            ("veos", Model::Veos, images::VEOS),
            ("vmx", Model::Vmx, self.vmx.as_str()),
            ("csr", Model::Csr, self.csr.as_str()),
            ("xrv", Model::Xrv, self.xrv.as_str()),
        ];
        let custom = self.custom.iter().map(|(word, image)| (word.as_str(), Model::Generic, image.as_str()));
        let mut all = own.into_iter().chain(custom).chain([("host", Model::Host, images::HOST)]);
        let found = all.find(|(word, ..)| name.contains(word));
        found.map_or((Model::Ceos, self.ceos.clone()), |(_, model, image)| (model, image.to_owned()))
    }
}
