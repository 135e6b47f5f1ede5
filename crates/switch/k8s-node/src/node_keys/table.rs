//! What the master knows of its workers' keys, and what follows for one that asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cluster::pki::{Credential, KeyDigest};
use serde::{Deserialize, Serialize};

/// How long the operator's word for another key counts.
const ADMISSION: Duration = Duration::from_secs(3600);

/// The keys of a request, or of a node.
pub type Keys = BTreeMap<Credential, KeyDigest>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeKeys {
    /// The certificate authority whose workers these are, once it is known which that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<KeyDigest>,
    /// By name.
    bound: BTreeMap<String, Bound>,
    /// Names that may have been enrolled before there was this table.
    enrolled_before: BTreeSet<String>,
    /// By name.
    admitted: BTreeMap<String, Admission>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bound {
    /// The node's own is always among them.
    keys: Keys,
    /// Whether the name has asked from its own address on purpose: it goes on so.
    own_address: bool,
}

/// The operator's word that a name may enrol with another key, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// Seconds since 1970.
    until: u64,
    /// The only one; none for any.
    key: Option<KeyDigest>,
}

/// Who asks, by the keys that it asks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The one that is bound to the name.
    Known {
        own_address: bool,
        /// Whether each of its keys is bound, and none of them new.
        all_bound: bool,
    },
    Admitted {
        /// Whether for this very key, and not for any.
        names_key: bool,
    },
    /// The first one of this name.
    First,
    /// Maybe not the first one, and which that was is not known.
    EnrolledBefore,
    /// Another than the one that is bound to the name.
    Other,
}

impl Admission {
    pub fn from(now: SystemTime, key: Option<KeyDigest>) -> Admission {
        Admission { until: seconds(now + ADMISSION), key }
    }

    pub fn until(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.until)
    }

    /// A clock that was set back does not make it last longer.
    fn lasts(&self, now: SystemTime) -> bool {
        (seconds(now)..=seconds(now + ADMISSION)).contains(&self.until)
    }
}

impl NodeKeys {
    pub fn enrolled_before(names: impl Iterator<Item = String>) -> NodeKeys {
        NodeKeys { enrolled_before: names.collect(), ..NodeKeys::default() }
    }

    /// Whether it is this authority's, as far as either is known.
    pub fn is_of(&self, authority: Option<&KeyDigest>) -> bool {
        self.authority.as_ref().zip(authority).is_none_or(|(one, other)| one == other)
    }

    /// It is this authority's from here on.
    pub fn belong_to(&mut self, authority: Option<KeyDigest>) {
        self.authority = self.authority.take().or(authority);
    }

    /// Names of which it is not known whether and by whom they were enrolled.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.enrolled_before.iter().map(String::as_str)
    }

    /// `keys` has the node's own, and each of them has made a signature, which who has overheard it may repeat.
    pub fn standing(&self, name: &str, keys: &Keys, now: SystemTime) -> Standing {
        let own = keys.get(&Credential::Node);
        let bound = self.bound.get(name);
        if let Some(bound) = bound
            && own.is_some()
            && keys.iter().all(|(credential, key)| bound.keys.get(credential).is_none_or(|bound| bound == key))
        {
            let all_bound = keys.keys().all(|credential| bound.keys.contains_key(credential));
            return Standing::Known { own_address: bound.own_address, all_bound };
        }
        let admits =
            |admission: &Admission| admission.lasts(now) && admission.key.as_ref().is_none_or(|key| own == Some(key));
        if own.is_some()
            && let Some(admission) = self.admitted.get(name).filter(|admission| admits(admission))
        {
            Standing::Admitted { names_key: admission.key.is_some() }
        } else if bound.is_some() {
            Standing::Other
        } else if self.enrolled_before.contains(name) {
            Standing::EnrolledBefore
        } else {
            Standing::First
        }
    }

    /// Binds a name to the keys that are signed for now; an admission that let them in is spent.
    pub fn bind(&mut self, name: &str, keys: &Keys, standing: Standing, own_address: bool) {
        let before = match standing {
            Standing::Known { .. } => self.bound.remove(name),
            _ => None,
        };
        let Bound { keys: mut all, own_address: always } =
            before.unwrap_or_else(|| Bound { keys: Keys::new(), own_address: false });
        all.extend(keys.clone());
        self.bound.insert(name.to_owned(), Bound { keys: all, own_address: always || own_address });
        self.enrolled_before.remove(name);
        if matches!(standing, Standing::Admitted { .. }) {
            self.admitted.remove(name);
        }
    }

    /// Binds a name to the key that its kubelet serves; says whether it was still to be bound.
    pub fn learn(&mut self, name: &str, key: &KeyDigest) -> bool {
        self.enrolled_before.remove(name);
        let unknown = !self.bound.contains_key(name);
        if unknown {
            let keys = Keys::from([(Credential::Node, key.clone())]);
            self.bound.insert(name.to_owned(), Bound { keys, own_address: false });
        }
        unknown
    }

    pub fn admit(&mut self, name: &str, admission: Admission) {
        self.admitted.insert(name.to_owned(), admission);
    }

    pub fn forget_ended(&mut self, now: SystemTime) {
        self.admitted.retain(|_, admission| admission.lasts(now));
    }
}

/// A clock from before 1970 is taken as 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
