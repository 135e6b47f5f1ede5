//! `verify`: holds what a build published against its digests, its provenance and its signatures, on any machine.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use provenance::{
    signature::PublicKey,
    verification::{Trust, Verified, verify},
};

use crate::{progress, workspace::workspace};

#[derive(Args)]
pub struct Verify {
    /// What a build published [default: dist/]
    #[arg(value_name = "DIR", default_value_os_t = workspace().join("dist"), hide_default_value = true)]
    pub dist: PathBuf,
    /// The public key of who signed it by `sign-dist`, as `minisign -G` makes it: from another place than these files
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Be content with digests, which show damage, and not who made the files
    #[arg(long, conflicts_with = "key")]
    pub digests_only: bool,
}

impl Verify {
    pub fn run(self) -> Result<()> {
        let key = self.key.as_deref().map(PublicKey::read).transpose()?;
        let trust = key.as_ref().map_or(Trust::DigestsOnly, Trust::Key);
        print(&verify(&self.dist, &trust, &*progress::for_stderr())?);
        match &key {
            Some(key) => println!("signed by {key}"),
            None => println!("unsigned: shows damage only"),
        }
        if key.is_none() && !self.digests_only {
            bail!("nobody's signature was verified: give --key FILE, or say --digests-only");
        }
        Ok(())
    }
}

fn print(verified: &Verified) {
    for file in &verified.files {
        println!("{}  {}", file.sha256, file.name);
    }
    for made in &verified.builds {
        println!("{}: {}-{}, {}", made.statement, made.version, made.build.release(), made.build.origin());
    }
    if !verified.beside.is_empty() {
        println!("not published by a build, and not looked at: {}", verified.beside.join(", "));
    }
}
