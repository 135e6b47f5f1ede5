//! `sign-dist`: signs the list of digests and the provenance in dist/ with a key of minisign. It is another signature than the one
//! in a SWIX that EOS verifies, which is made by `sign`.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use common::terminal::ask_unseen;
use pipeline::dist;
use provenance::{
    STATEMENT, SUMS,
    signature::SigningKey,
    verification::{Trust, verify},
};

use crate::{progress, workspace::workspace};

/// The variable with the key's password; it is asked for where there is none.
const PASSWORD: &str = "KOE_SIGNING_PASSWORD";

#[derive(Args)]
pub struct SignDist {
    /// What a build published [default: dist/]
    #[arg(value_name = "DIR", default_value_os_t = workspace().join("dist"), hide_default_value = true)]
    pub dist: PathBuf,
    /// The secret key, as `minisign -G` makes it; its password is taken from KOE_SIGNING_PASSWORD or asked for
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

impl SignDist {
    pub fn run(self) -> Result<()> {
        let key = SigningKey::read(&self.key, || password(&self.key))?;
        let progress = progress::for_stderr();
        // So that what is signed is not half of one build and half of another.
        let waiting = || progress.note(&format!("waits until a build has published into {}", self.dist.display()));
        let _alone = self.dist.is_dir().then(|| dist::lock(&self.dist, waiting)).transpose()?;
        // What is signed is what can be verified.
        let verified = verify(&self.dist, &Trust::DigestsOnly, &*progress)?;
        let statements = verified.files.iter().map(|file| file.name.as_str()).filter(|name| name.ends_with(STATEMENT));
        for name in statements.chain([SUMS]) {
            println!("{}", key.sign(&self.dist.join(name))?.display());
        }
        Ok(())
    }
}

fn password(key: &std::path::Path) -> Result<String> {
    if let Some(password) = env::var_os(PASSWORD) {
        return password.into_string().ok().with_context(|| format!("{PASSWORD} is not UTF-8"));
    }
    ask_unseen(&format!("password of {}: ", key.display()), &format!("set {PASSWORD}"))
}
