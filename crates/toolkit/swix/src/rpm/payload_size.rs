//! The size of the unpacked payload, which rpm2cpio compares with what it has unpacked: without it, it writes everything and
//! then fails. The rpm crate does not write it, so it is added to the signature header, which no digest covers.
//!
//! A header is a magic, the number of its entries and the size of its store; an entry is a tag, a type, an offset into the
//! store and a count, each in 32 bits, big-endian. The first entry's data is the store's last, and says how far back the
//! entries begin.

use anyhow::{Context, Result, ensure};

const LEAD: usize = 96;
const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 1];
const INTRO: usize = 16;
const ENTRY: usize = 16;
/// A header's data of its own, RPMTAG_HEADERSIGNATURES.
const REGION: u32 = 62;
const PAYLOADSIZE: u32 = 1007;
const INT32: u32 = 4;
const BINARY: u32 = 7;

/// The same package with the size in it. `package` ends with a gzip stream, which ends with that size.
pub(super) fn with_payload_size(package: &[u8]) -> Result<Vec<u8>> {
    let size = package.last_chunk().map(|size| u32::from_le_bytes(*size)).context("a package without a payload")?;
    let header = package.get(LEAD..).context("a package without a signature header")?;
    let word = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    ensure!(header.starts_with(&MAGIC), "a signature header of another kind");
    let (entries, stored) = (word(8).context("cut off")? as usize, word(12).context("cut off")? as usize);
    let store = INTRO + entries * ENTRY;
    let last = word(store - ENTRY).context("cut off")?;
    ensure!(word(INTRO) == Some(REGION) && last < PAYLOADSIZE, "signature entries in another order");
    let data = stored.checked_sub(ENTRY).filter(|data| data % 4 == 0).context("a store of another form")?;
    let end = store + stored;
    let after = header.get(end.next_multiple_of(8)..).context("cut off")?;

    let number = |size: usize| u32::try_from(size).context("a store that is too large");
    let (entries, data, stored) = (number(entries + 1)?, number(data)?, number(stored)?);
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let mut new = [
        &package[..LEAD + 8],
        &words(&[entries, stored + 4, REGION, BINARY, data + 4, ENTRY as u32]),
        &header[INTRO + ENTRY..store],
        &words(&[PAYLOADSIZE, INT32, data, 1]),
        &header[store..store + data as usize],
        &words(&[size, REGION, BINARY, 0u32.wrapping_sub(entries * ENTRY as u32), ENTRY as u32]),
    ]
    .concat();
    new.resize(LEAD + (new.len() - LEAD).next_multiple_of(8), 0);
    new.extend(after);
    Ok(new)
}
