//! Distinguished names: made of text, and compared as text, whatever string type the maker took.

use x509_cert::{
    attr::AttributeTypeAndValue,
    der::{Decode, Encode, Tag, asn1::Any, asn1::ObjectIdentifier, asn1::PrintableStringRef},
    ext::pkix::name::DirectoryString,
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

use crate::Subject;

pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
const LOCALITY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.7");
pub(super) const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");

/// A name in the order that cfssl writes: C, L, O, OU, CN.
pub(super) fn name(
    subject: &Subject,
    organizations: &[&str],
    unit: Option<&str>,
    common_name: &str,
) -> x509_cert::der::Result<Name> {
    let country = subject.country.as_deref().map(|text| (COUNTRY, text));
    let locality = subject.locality.as_deref().map(|text| (LOCALITY, text));
    let organizations = organizations.iter().map(|text| (ORGANIZATION, *text));
    let unit = unit.map(|text| (ORGANIZATIONAL_UNIT, text));
    let parts = country.into_iter().chain(locality).chain(organizations).chain(unit);
    let mut sequence = RdnSequence::default();
    for (oid, text) in parts.chain([(COMMON_NAME, common_name)]) {
        let printable = PrintableStringRef::new(text).is_ok();
        let tag = if printable { Tag::PrintableString } else { Tag::Utf8String };
        let mut part = RelativeDistinguishedName::default();
        part.insert(AttributeTypeAndValue { oid, value: Any::new(tag, text.as_bytes())? })?;
        sequence.push(part);
    }
    Name::from_der(&sequence.to_der()?)
}

/// Every part of a name with its text, in order; none where one is not text.
pub(super) fn parts(name: &Name) -> Option<Vec<(ObjectIdentifier, String)>> {
    let text = |value: &Any| Some(value.decode_as::<DirectoryString>().ok()?.value().into_owned());
    name.iter().map(|part| Some((part.oid, text(&part.value)?))).collect()
}

/// The texts of one kind of part.
pub(super) fn texts(name: &Name, kind: ObjectIdentifier) -> Vec<String> {
    let parts = parts(name).unwrap_or_default();
    parts.into_iter().filter(|(oid, _)| *oid == kind).map(|(_, text)| text).collect()
}

/// A name for a message: one line of bounded length, also when a stranger wrote it.
pub(super) fn shown(name: &Name) -> String {
    let text: String = name.to_string().chars().take(200).collect();
    text.escape_debug().to_string()
}
