//! The bytes of netlink: messages, and the attributes in them.

use super::Flow;

/// A message's header; behind it comes netfilter's, of 4 bytes.
const HEADER: usize = 16;
const FAMILY_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SUBSYSTEM: u16 = 1 << 8;
const IPCTNL_MSG_CT_NEW: u16 = SUBSYSTEM;
const IPCTNL_MSG_CT_GET: u16 = SUBSYSTEM | 1;
const IPCTNL_MSG_CT_DELETE: u16 = SUBSYSTEM | 2;
const AF_INET: u8 = 2;

/// The kernel marks attributes that hold attributes, and looks at the mark.
pub const NESTED: u16 = 0x8000;
/// What of an attribute's type is its type.
const TYPE: u16 = 0x3fff;

/// Asks for the whole table.
pub fn dump() -> Vec<u8> {
    request(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, std::iter::empty())
}

/// Asks to delete one entry. It always names one: without a name, the kernel would delete them all.
pub fn delete(flow: &Flow) -> Vec<u8> {
    request(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, flow.name())
}

fn request<'a>(kind: u16, flags: u16, attributes: impl Iterator<Item = (u16, &'a [u8])>) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes.extend([AF_INET, 0, 0, 0]);
    for (kind, value) in attributes {
        let length = (ATTRIBUTE_HEADER + value.len()) as u16;
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = bytes.len() as u32;
    let header = length.to_ne_bytes().into_iter().chain(kind.to_ne_bytes()).chain(flags.to_ne_bytes());
    bytes.iter_mut().zip(header).for_each(|(byte, of)| *byte = of);
    bytes
}

/// What the kernel says.
pub enum NetlinkAnswer<'a> {
    Entry(Attributes<'a>),
    /// The end of a dump, or that a request was carried out (0) or why not.
    Done(i32),
}

/// The messages in what was received at once. What is cut off is not looked at.
pub fn answers(bytes: &[u8]) -> impl Iterator<Item = NetlinkAnswer<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let length = u32_of(rest, 0)? as usize;
            let message = rest.get(..length).filter(|message| message.len() >= HEADER)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            let content = message.get(HEADER..)?;
            match u16_of(message, 4)? {
                IPCTNL_MSG_CT_NEW => return Some(NetlinkAnswer::Entry(Attributes(content.get(FAMILY_HEADER..)?))),
                NLMSG_ERROR => return Some(NetlinkAnswer::Done(u32_of(content, 0)?.cast_signed())),
                NLMSG_DONE => return Some(NetlinkAnswer::Done(u32_of(content, 0).unwrap_or_default().cast_signed())),
                _ => {}
            }
        }
    })
}

/// Attributes, one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of this type.
    pub fn get(self, desired: u16) -> Option<&'a [u8]> {
        let mut rest = self.0;
        loop {
            let length = usize::from(u16_of(rest, 0)?);
            let value = rest.get(ATTRIBUTE_HEADER..length)?;
            if u16_of(rest, 2)? & TYPE == desired {
                return Some(value);
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
    }
}

pub fn u16_of(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_of(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_are_taken_without_a_panic_and_to_their_end(bytes in vec(any::<u8>(), 0..300), kind in 0_u16..20) {
            let _ = Attributes(&bytes).get(kind);
            let mut framed = (bytes.len() as u32 + 16).to_ne_bytes().to_vec();
            framed.extend(IPCTNL_MSG_CT_NEW.to_ne_bytes());
            framed.extend([0; 10]);
            framed.extend(&bytes);
            for answer in answers(&framed).chain(answers(&bytes)) {
                if let NetlinkAnswer::Entry(attributes) = answer {
                    let _ = Flow::parse(attributes);
                }
            }
        }
    }
}
