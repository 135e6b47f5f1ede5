//! The names of images: docker-topo's, and those of the stand-ins, which have names of their own, so that a real image is
//! never taken for one of them, nor hidden by it.

/// docker-topo's name for the image of a vEOS.
pub const VEOS: &str = "veos:latest";
/// docker-topo's name for the image of an end host.
pub const HOST: &str = "alpine-host:latest";

/// What takes an image's place where it is not there, and how that is made.
#[derive(Debug)]
pub struct StandIn {
    pub of: &'static str,
    pub image: &'static str,
    pub made_by: &'static str,
}

pub const STAND_INS: [StandIn; 2] = [
    StandIn { of: VEOS, image: "kubernetes-on-eos/veos-stand-in:latest", made_by: "cargo xtask image veos" },
    StandIn { of: HOST, image: "kubernetes-on-eos/host-stand-in:latest", made_by: "cargo xtask image host" },
];

/// The stand-in for an image, if it has one.
pub fn stand_in(image: &str) -> Option<&'static StandIn> {
    STAND_INS.iter().find(|stand_in| stand_in.of == image)
}
