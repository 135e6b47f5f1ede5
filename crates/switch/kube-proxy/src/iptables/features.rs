//! What the kernel and iptables may have or lack, and what it means for Services where something is missing.

use super::Table;

/// Something that a rule of ours needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    Comment,
    Statistic,
    Recent,
    Addrtype,
    Conntrack,
    Mark,
    Dnat,
    Redirect,
    Masquerade,
    RandomFully,
    Reject,
    Sctp,
    Notrack,
}

impl Feature {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 13] = [
        Self::Comment,
        Self::Statistic,
        Self::Recent,
        Self::Addrtype,
        Self::Conntrack,
        Self::Mark,
        Self::Dnat,
        Self::Redirect,
        Self::Masquerade,
        Self::RandomFully,
        Self::Reject,
        Self::Sctp,
        Self::Notrack,
    ];

    /// What it is called in iptables' manual.
    pub fn name(self) -> &'static str {
        match self {
            Self::Comment => "the match comment",
            Self::Statistic => "the match statistic",
            Self::Recent => "the match recent",
            Self::Addrtype => "the match addrtype",
            Self::Conntrack => "the match conntrack",
            Self::Mark => "the match mark and the target MARK",
            Self::Dnat => "the target DNAT",
            Self::Redirect => "the target REDIRECT",
            Self::Masquerade => "the target MASQUERADE",
            Self::RandomFully => "MASQUERADE's --random-fully",
            Self::Reject => "the target REJECT",
            Self::Sctp => "the match sctp",
            Self::Notrack => "the table raw or the target CT",
        }
    }

    /// What is different without it.
    pub fn without(self) -> &'static str {
        match self {
            Self::Comment => "rules carry no Service names",
            Self::Statistic => "connections cannot be spread over endpoints, so there is no iptables mode",
            Self::Recent => "sessionAffinity ClientIP is not kept in iptables mode",
            Self::Addrtype => "node ports and externalTrafficPolicy Local do not work in iptables mode",
            Self::Conntrack => "packets in INVALID state are not dropped, and forwarding relies on the FORWARD policy",
            Self::Mark => "masquerading cannot be asked for, so there is no iptables mode",
            Self::Dnat => "there is no iptables mode",
            Self::Redirect => "there is no userspace mode",
            Self::Masquerade => "answers do not find their way back, so there is no iptables mode",
            Self::RandomFully => "masqueraded connections may collide in their source ports under load",
            Self::Reject => "connections to Services without endpoints time out instead of being refused",
            Self::Sctp => "SCTP ports are left out",
            Self::Notrack => "conntrack tracks what only passes through this node, too",
        }
    }

    /// A rule that needs it, and the table that the rule is for.
    pub(super) fn trial(self) -> (Table, &'static str) {
        match self {
            Self::Comment => (Table::Filter, "-m comment --comment probe"),
            Self::Statistic => (Table::Filter, "-m statistic --mode random --probability 0.5"),
            Self::Recent => (Table::Filter, "-m recent --name KUBE-PROXY-PROBE --set"),
            Self::Addrtype => (Table::Filter, "-m addrtype --dst-type LOCAL"),
            Self::Conntrack => (Table::Filter, "-m conntrack --ctstate NEW"),
            Self::Mark => (Table::Nat, "-m mark --mark 0x4000/0x4000 -j MARK --set-xmark 0x4000/0x4000"),
            Self::Dnat => (Table::Nat, "-p tcp -j DNAT --to-destination 192.0.2.1:80"),
            Self::Redirect => (Table::Nat, "-p tcp -j REDIRECT --to-ports 80"),
            Self::Masquerade => (Table::Nat, "-j MASQUERADE"),
            Self::RandomFully => (Table::Nat, "-j MASQUERADE --random-fully"),
            Self::Reject => (Table::Filter, "-p tcp -j REJECT --reject-with tcp-reset"),
            Self::Sctp => (Table::Filter, "-p sctp -m sctp --dport 80"),
            Self::Notrack => (Table::Raw, "-j CT --notrack"),
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of [`Feature`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u16);

impl Features {
    pub const NONE: Self = Self(0);

    /// What a complete kernel has.
    pub fn all() -> Self {
        Feature::ALL.into_iter().fold(Self::NONE, Self::with)
    }

    #[must_use]
    pub fn with(self, feature: Feature) -> Self {
        Self(self.0 | feature.bit())
    }

    #[must_use]
    pub fn without(self, feature: Feature) -> Self {
        Self(self.0 & !feature.bit())
    }

    pub fn has(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }

    pub fn missing(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |&feature| !self.has(feature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_what_is_missing_of_it() {
        let set = Features::all().without(Feature::Recent).without(Feature::Sctp);
        assert!(set.has(Feature::Comment) && !set.has(Feature::Recent));
        assert_eq!(set.missing().collect::<Vec<_>>(), [Feature::Recent, Feature::Sctp]);
        assert_eq!(Features::NONE.missing().count(), Feature::ALL.len());
    }
}
