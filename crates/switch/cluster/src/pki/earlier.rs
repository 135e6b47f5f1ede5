//! Which certificate authorities this cluster had before the one that signs now, by their keys. A copy of etcd's data says whose it is by
//! the authority of its day, and stays this cluster's when that one is replaced.

use std::path::Path;

use super::{
    KeyDigest, PkiError,
    directory::{self, Batch},
};

const FILE: &str = "earlier-authorities.json";

/// The one that is being replaced is among them.
pub fn earlier_authorities(path: &Path) -> Result<Vec<KeyDigest>, PkiError> {
    let Some(text) = directory::read(path, FILE)? else { return Ok(Vec::new()) };
    serde_json::from_slice(&text).map_err(|why| {
        PkiError::operator(
            format!("{} cannot be read: {why}", path.join(FILE).display()),
            "remove it: copies from before the certificate authority was replaced are not known to be this cluster's then",
        )
    })
}

/// Adds to what is to be written that an authority was this cluster's, where that is not known yet. It comes before what replaces it.
pub(super) fn remember(path: &Path, batch: &mut Batch, replaced: &KeyDigest) -> Result<(), PkiError> {
    let mut known = earlier_authorities(path)?;
    if known.contains(replaced) {
        return Ok(());
    }
    known.push(replaced.clone());
    let text = serde_json::to_string(&known)
        .map_err(|why| PkiError::crypto("write which certificate authorities there were", why))?;
    batch.add_text(FILE, text + "\n");
    Ok(())
}
