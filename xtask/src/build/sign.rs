//! `sign`: gives a SWIX the signature that EOS verifies. What is published is signed as a whole by `sign-dist`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use swix::{
    inspect::{Probes, inspect},
    signature::SigningKey,
};

use crate::progress;

#[derive(Args)]
pub struct Sign {
    /// The SWIX, which stays as it is: SHA256SUMS and the provenance go on being true of it
    pub file: PathBuf,
    /// The private key, RSA, in PEM
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Its certificate, in PEM, signed by the authority that the switches trust
    #[arg(long, value_name = "FILE")]
    pub certificate: PathBuf,
    /// Where the signed one goes [default: NAME-signed.swix beside it, in place of an earlier one]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Put the signature in the place of one that is there
    #[arg(long)]
    pub replace: bool,
}

impl Sign {
    pub fn run(self) -> Result<()> {
        let out = match self.out {
            Some(out) => out,
            None => {
                let name = self.file.file_stem().and_then(|stem| stem.to_str());
                let name = name.with_context(|| format!("{} has no name: say --out FILE", self.file.display()))?;
                self.file.with_file_name(format!("{name}-signed.swix"))
            }
        };
        let is_same = self.file.canonicalize().ok().is_some_and(|file| out.canonicalize().is_ok_and(|out| out == file));
        ensure!(!is_same, "--out {} is the SWIX itself, which stays as it was built: name another file", out.display());
        SigningKey::read(&self.key, &self.certificate)?.sign(&self.file, self.replace, &out)?;
        // What was written is judged, not what was meant.
        let written = inspect(&out, Probes::Skip, &*progress::for_stderr())?;
        println!("{}  {}", written.sha256, out.display());
        println!("  signed   {}", written.signature);
        Ok(())
    }
}
