//! The sysctls that pods' traffic needs. What kubelet and kube-proxy set by themselves is in `sysctls`.

use std::{fs, io, path::PathBuf};

use anyhow::{Context, Result};

use crate::desired::Desired;

/// The second is there where br_netfilter is: where that is built in and unused, nothing passes a bridge unseen.
const FORWARDING: [&str; 2] = ["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"];

const ON: &str = "1";

/// Each is on.
pub struct Forwarding;

impl Desired for Forwarding {
    fn wrong(&mut self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for name in FORWARDING {
            match fs::read_to_string(file(name)) {
                Ok(value) if value.trim() == ON => {}
                Ok(_) => wrong.push(name.to_owned()),
                Err(error) if error.kind() == io::ErrorKind::NotFound && name.contains("bridge") => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", file(name).display())),
            }
        }
        Ok(wrong)
    }

    fn repair(&mut self, things: &[String]) -> Result<()> {
        things.iter().try_for_each(|name| {
            fs::write(file(name), ON).with_context(|| format!("cannot set {} to {ON}", file(name).display()))
        })
    }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name.replace('.', "/"))
}
