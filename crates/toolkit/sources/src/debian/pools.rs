//! Files that no index names any more and a mirror may still have: a proxy keeps what it once fetched, a server removes
//! what its index dropped some days later. They are asked for beside those that the index does name.

use std::collections::BTreeSet;

use common::Progress;
use recipes::{LockedPackage, Moving};

use super::{
    Debian,
    config::Index,
    download::{Desired, download},
    locked::file_name,
    packages::{NATIVE, desired},
};
use crate::error::{PinMismatch, Trouble};

impl Debian {
    /// Brings what it finds of these packages into the store.
    pub(super) fn look_in_pools(
        &self,
        moving: &Moving,
        packages: &[&LockedPackage],
        name: &str,
        progress: &dyn Progress,
    ) -> Result<(), Trouble> {
        // A package's name may be gone with its version, as a library's; others of its source have the same place.
        let mut offers = Vec::new();
        for LockedPackage { name, arch, suite, .. } in &moving.locked {
            let index = Index::Binary { arch: if arch == "all" { NATIVE } else { arch }.to_owned() };
            let there = self.suites.offers(suite, &index, std::slice::from_ref(name))?;
            offers.extend(there.into_iter().filter(|offer| offer.field("Package") == name));
        }
        let Some(apt) = offers.first().map(|offer| offer.apt.clone()) else { return Ok(()) };
        let known = desired(&offers)?;
        let places: BTreeSet<&str> =
            known.iter().filter_map(|file| file.uri.rsplit_once('/')).map(|(place, _)| place).collect();
        for package in packages {
            for place in &places {
                // Its size is not known; the digest is.
                let (file, sha256) = (file_name(package), package.sha256);
                let uri = format!("{place}/{file}");
                match download(&apt, vec![Desired { uri, name: file, size: 0, sha256 }], name, &self.store, progress) {
                    Ok(()) => break,
                    Err(Trouble::PassOver(_) | Trouble::OutOfReach(_)) => {}
                    // What a proxy says of a file that is not there.
                    Err(Trouble::Stop(error)) if error.is::<PinMismatch>() => {}
                    Err(stop) => return Err(stop),
                }
            }
        }
        Ok(())
    }
}
