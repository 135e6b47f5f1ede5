//! Name constraints of a certificate authority, as openssl reads them: of each kind of name for which some are permitted a name has to
//! be one of these, and none may be excluded.

use std::net::Ipv4Addr;

use x509_cert::{
    ext::pkix::{constraints::name::GeneralSubtree, name::GeneralName},
    name::Name,
};

use super::{
    certificate::Certificate,
    name::{parts, shown},
    profile::Profile,
};

/// The names that a certificate has, or is to have.
pub(super) struct Names<'a> {
    subject: &'a Name,
    dns_names: &'a [String],
    addresses: &'a [Ipv4Addr],
}

enum One<'a> {
    Subject(&'a Name),
    Dns(&'a str),
    Address(Ipv4Addr),
}

impl<'a> Names<'a> {
    pub(super) fn of_profile(profile: &'a Profile) -> Self {
        Names { subject: &profile.subject, dns_names: &profile.dns_names, addresses: &profile.addresses }
    }

    pub(super) fn of_certificate(certificate: &'a Certificate) -> Self {
        Names { subject: certificate.subject(), dns_names: certificate.dns_names(), addresses: certificate.addresses() }
    }

    fn each(&self) -> impl Iterator<Item = One<'a>> {
        let dns_names = self.dns_names.iter().map(|name| One::Dns(name));
        let addresses = self.addresses.iter().map(|address| One::Address(*address));
        [One::Subject(self.subject)].into_iter().chain(dns_names).chain(addresses)
    }
}

/// Why what a certificate authority signs could not have one of these names.
pub(super) fn forbidden<'a>(ca: &Certificate, names: impl Iterator<Item = Names<'a>>) -> Option<String> {
    let constraints = match ca.name_constraints() {
        Ok(None) => return None,
        Ok(Some((_, constraints))) => constraints,
        Err(why) => return Some(format!("cannot be judged: {why}")),
    };
    let permitted = constraints.permitted_subtrees.unwrap_or_default();
    let excluded = constraints.excluded_subtrees.unwrap_or_default();
    let names: Vec<Names> = names.collect();
    let name = names.iter().flat_map(Names::each).find(|name| !allows(&permitted, &excluded, name))?;
    Some(format!("forbids {}, which the cluster needs (its name constraints)", name.shown()))
}

/// Where Go, which Kubernetes is written in, refuses every certificate that it signs: it has critical constraints of kinds of names that
/// Go does not know.
pub(super) fn beyond_go(ca: &Certificate) -> Option<String> {
    let (_, constraints) = ca.name_constraints().ok().flatten().filter(|(critical, _)| *critical)?;
    let known = |subtree: &GeneralSubtree| {
        use GeneralName::{DnsName, IpAddress, Rfc822Name, UniformResourceIdentifier};
        matches!(subtree.base, DnsName(_) | IpAddress(_) | Rfc822Name(_) | UniformResourceIdentifier(_))
    };
    let mut all = constraints.permitted_subtrees.iter().chain(&constraints.excluded_subtrees).flatten();
    let are_known = all.all(known);
    (!are_known).then(|| "has critical name constraints of a kind that Kubernetes does not know".to_owned())
}

fn allows(permitted: &[GeneralSubtree], excluded: &[GeneralSubtree], name: &One) -> bool {
    let of_kind = |subtree: &&GeneralSubtree| name.within(&subtree.base).is_some();
    let is_within = |subtree: &GeneralSubtree| name.within(&subtree.base) == Some(true);
    let mut of_its_kind = permitted.iter().filter(of_kind).peekable();
    let is_permitted = of_its_kind.peek().is_none() || of_its_kind.any(is_within);
    // openssl makes nothing of a least or greatest distance.
    let has_distances = |subtree: &GeneralSubtree| subtree.minimum != 0 || subtree.maximum.is_some();
    let has_distances = permitted.iter().chain(excluded).filter(of_kind).any(has_distances);
    is_permitted && !has_distances && !excluded.iter().any(is_within)
}

impl One<'_> {
    /// Whether it is in what a subtree spans; none where that is of another kind.
    fn within(&self, base: &GeneralName) -> Option<bool> {
        match (self, base) {
            (One::Dns(name), GeneralName::DnsName(base)) => Some(dns_is_within(name, base.as_str())),
            (One::Address(address), GeneralName::IpAddress(base)) => Some(address_is_within(*address, base.as_bytes())),
            (One::Subject(name), GeneralName::DirectoryName(base)) => Some(subject_is_within(name, base)),
            _ => None,
        }
    }

    fn shown(&self) -> String {
        match self {
            One::Dns(name) => format!("the DNS name {name}"),
            One::Address(address) => format!("the address {address}"),
            One::Subject(name) => format!("the subject {}", shown(name)),
        }
    }
}

/// `example.com` spans itself and what ends with `.example.com`; `.example.com` only the latter.
fn dns_is_within(name: &str, base: &str) -> bool {
    let (name, base) = (name.to_ascii_lowercase(), base.to_ascii_lowercase());
    match name.strip_suffix(&base) {
        Some(rest) => base.is_empty() || rest.is_empty() || base.starts_with('.') || rest.ends_with('.'),
        None => false,
    }
}

/// An address behind a mask; those of IPv6 are longer, and are of the same kind.
fn address_is_within(address: Ipv4Addr, base: &[u8]) -> bool {
    let Ok([a, b, c, d, mask @ ..]) = <[u8; 8]>::try_from(base) else { return false };
    let (network, mask) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(mask));
    u32::from(address) & mask == network & mask
}

/// Whether a name begins as another one does, in any case of letters and with blanks that do not count.
fn subject_is_within(name: &Name, base: &Name) -> bool {
    let canonical = |name: &Name| {
        let parts = parts(name)?.into_iter();
        let text = |text: String| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        Some(parts.map(|(kind, value)| (kind, text(value))).collect::<Vec<_>>())
    };
    canonical(name).zip(canonical(base)).is_some_and(|(name, base)| name.starts_with(&base))
}
