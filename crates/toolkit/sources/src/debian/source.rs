//! Source packages: the files that the recipe names, with no tool of Debian's developers needed.

use common::Progress;
use recipes::DebianSource;

use super::{
    Debian,
    config::Index,
    download::{Desired, download},
    printed_uris,
    suites::Offer,
};
use crate::{
    error::{PinMismatch, Trouble},
    fetched::BlobFile,
};

impl Debian {
    pub(crate) fn source_files(origin: &DebianSource) -> Vec<BlobFile> {
        let file = |file: &recipes::DebianFile| BlobFile {
            name: file.name.clone(),
            sha256: file.sha256,
            size: 0,
            package: None,
        };
        origin.files.iter().map(file).collect()
    }

    /// Sees to it that the package's files are in the store.
    pub(crate) fn fetch_source(
        &self,
        origin: &DebianSource,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<(), Trouble> {
        let package = origin.package.to_string();
        let offers = self.suites.offers(&origin.suite, &Index::Source, std::slice::from_ref(&package))?;
        let same = |offer: &&Offer| offer.field("Package") == package;
        let Some(offer) = offers.iter().filter(same).find(|offer| offer.field("Version") == origin.version) else {
            let mut versions: Vec<&str> = offers.iter().filter(same).map(|offer| offer.field("Version")).collect();
            versions.dedup();
            let offered = if versions.is_empty() { "no such source package".to_owned() } else { versions.join(", ") };
            let (suite, version) = (&origin.suite, &origin.version);
            return Err(Trouble::PassOver(format!(
                "the source of {package} {version} is needed, and {suite} has {offered}"
            )));
        };
        let program = offer.apt.get("find where Debian's sources are")?;
        let spec = format!("{package}={}", origin.version);
        let printed = program.args(["source", "--only-source", "--download-only", "--print-uris", &spec]).read()?;
        download(&offer.apt, desired(origin, &printed_uris(&printed))?, name, &self.store, progress)
    }
}

/// The recipe's files among those that the signed index names.
fn desired(origin: &DebianSource, printed: &[Desired]) -> Result<Vec<Desired>, Trouble> {
    let mut desired = Vec::new();
    for file in &origin.files {
        let Some(there) = printed.iter().find(|there| there.name == file.name) else {
            let names: Vec<&str> = printed.iter().map(|there| there.name.as_str()).collect();
            let (package, version) = (&origin.package, &origin.version);
            let names = names.join(", ");
            return Err(Trouble::PassOver(format!("{package} {version} has no file {}: it has {names}", file.name)));
        };
        if there.sha256 != file.sha256 {
            let what = format!("{} of Debian's source package {}", file.name, origin.package);
            let (expected, found) = (format!("sha256 {}", file.sha256), format!("sha256 {}", there.sha256));
            return Err(Trouble::Stop(PinMismatch { what, expected, found }.into()));
        }
        desired.push(there.clone());
    }
    Ok(desired)
}
