//! The texts that Debian's packages only name: those of /usr/share/common-licenses, whole, as Debian 12's package base-files has them
//! (12.4+deb12u11). A text that names one of them is not complete without it.

/// Where Debian has them.
pub(super) const PLACE: &str = "/usr/share/common-licenses/";

const TEXTS: [(&str, &str); 14] = [
    ("Apache-2.0", include_str!("common_licenses/Apache-2.0")),
    ("Artistic", include_str!("common_licenses/Artistic")),
    ("BSD", include_str!("common_licenses/BSD")),
    ("CC0-1.0", include_str!("common_licenses/CC0-1.0")),
    ("GFDL-1.2", include_str!("common_licenses/GFDL-1.2")),
    ("GFDL-1.3", include_str!("common_licenses/GFDL-1.3")),
    ("GPL-1", include_str!("common_licenses/GPL-1")),
    ("GPL-2", include_str!("common_licenses/GPL-2")),
    ("GPL-3", include_str!("common_licenses/GPL-3")),
    ("LGPL-2", include_str!("common_licenses/LGPL-2")),
    ("LGPL-2.1", include_str!("common_licenses/LGPL-2.1")),
    ("LGPL-3", include_str!("common_licenses/LGPL-3")),
    ("MPL-1.1", include_str!("common_licenses/MPL-1.1")),
    ("MPL-2.0", include_str!("common_licenses/MPL-2.0")),
];

/// What is a link there.
const LINKS: [(&str, &str); 3] = [("GFDL", "GFDL-1.3"), ("GPL", "GPL-3"), ("LGPL", "LGPL-3")];

/// The text of that name.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let name = LINKS.iter().find(|(link, _)| *link == name).map_or(name, |(_, target)| target);
    TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_the_one_of_its_name() {
        for (name, words) in [
            ("Apache-2.0", "Version 2.0, January 2004"),
            ("CC0-1.0", "CC0 1.0 Universal"),
            ("GPL", "Version 3, 29 June 2007"),
            ("GPL-2", "Version 2, June 1991"),
            ("LGPL-2.1", "Version 2.1, February 1999"),
            ("MPL-2.0", "Version 2.0"),
        ] {
            assert!(text(name).unwrap().contains(words), "{name}");
        }
        assert_eq!(text("GPL"), text("GPL-3"));
        assert_eq!(text("GPL-4"), None);
    }
}
