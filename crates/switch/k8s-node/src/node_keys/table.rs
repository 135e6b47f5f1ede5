//! What the master knows of its workers' keys, and what follows for one that asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, ensure};
use cluster::pki::{AuthorityKeys, Credential, KeyDigest};
use serde::{Deserialize, Serialize};

/// How long the operator's word for another key counts.
const ADMISSION: Duration = Duration::from_secs(3600);

/// How many keys of before a node may have by its own doing: a kube-proxy's that was lost is replaced, and each is to be revoked with
/// the name. Each admission may add to them.
const FORMER: usize = 16;

/// The keys of a request, or of a node.
pub type Keys = BTreeMap<Credential, KeyDigest>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeKeys {
    /// The certificate authority whose workers these are, once it is known which that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<KeyDigest>,
    /// By name.
    pub(super) bound: BTreeMap<String, Bound>,
    /// Names that may have been enrolled before there was this table.
    pub(super) enrolled_before: BTreeSet<String>,
    /// By name.
    pub(super) admitted: BTreeMap<String, Admission>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) revoked: BTreeMap<String, Revocation>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bound {
    /// The node's own is always among them.
    pub(super) keys: Keys,
    /// Whether the name has asked from its own address on purpose: it goes on so.
    pub(super) own_address: bool,
    /// Those that had the name before, by an admission or a renewal: certificates for them may still be valid.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) former: BTreeSet<KeyDigest>,
}

/// The operator's word that who has a name is that node no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// Seconds since 1970.
    pub(super) since: u64,
    /// Every key that is known to have had the name, of any of its certificates. They stay revoked when another key gets it.
    pub(super) keys: BTreeSet<KeyDigest>,
    /// Those of them that were revoked already when another key had got the name and lost it again: they stay so when that last
    /// word is taken back. None where it was the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) earlier: Option<BTreeSet<KeyDigest>>,
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
    /// The name is revoked, or one of these keys under it.
    Revoked,
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

impl Bound {
    /// What they replace had the name until now.
    fn replace(&mut self, keys: &Keys) {
        let replaced = keys.iter().filter_map(|(credential, key)| self.keys.insert(*credential, key.clone()));
        self.former.extend(replaced);
        self.former.retain(|former| self.keys.values().all(|key| key != former));
    }
}

impl NodeKeys {
    pub fn enrolled_before(names: impl Iterator<Item = String>) -> NodeKeys {
        NodeKeys { enrolled_before: names.collect(), ..NodeKeys::default() }
    }

    /// Whether it is this authority's, or that of the one which is being replaced, as far as either is known.
    pub fn is_of(&self, authorities: Option<&AuthorityKeys>) -> bool {
        let known = self.authority.as_ref().zip(authorities);
        known.is_none_or(|(own, all)| *own == all.signing || Some(own) == all.replaced.as_ref())
    }

    /// It is this authority's from here on.
    pub fn belong_to(&mut self, authorities: Option<AuthorityKeys>) {
        if self.is_of(authorities.as_ref())
            && let Some(authorities) = authorities
        {
            self.authority = Some(authorities.signing);
        }
    }

    /// Names of which it is not known whether and by whom they were enrolled.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.enrolled_before.iter().map(String::as_str)
    }

    /// `keys` has the node's own, and each of them has made a signature, which who has overheard it may repeat.
    pub fn standing(&self, name: &str, keys: &Keys, now: SystemTime) -> Standing {
        let own = keys.get(&Credential::Node);
        let bound = self.bound.get(name);
        if self.has_revoked_key(name, keys) {
            return Standing::Revoked;
        }
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
        } else if own.is_some_and(|own| self.is_revoked(name, own)) {
            Standing::Revoked
        } else if bound.is_some() {
            Standing::Other
        } else if self.enrolled_before.contains(name) {
            Standing::EnrolledBefore
        } else {
            Standing::First
        }
    }

    /// Binds a name to the keys that are signed for now; an admission that let them in is spent. Fails where a node has replaced
    /// so many of its keys by itself that no more are kept account of.
    pub fn bind(&mut self, name: &str, keys: &Keys, standing: Standing, own_address: bool) -> Result<()> {
        if matches!(standing, Standing::Known { .. }) {
            let mut bound = self.bound.get(name).cloned().unwrap_or_default();
            let before = bound.former.len();
            bound.replace(keys);
            ensure!(
                bound.former.len() <= FORMER.max(before),
                "{name} comes with one more key, and has replaced {before} already, whose certificates may still be valid: where that                  is not its operator's doing, `k8s-node revoke {name}` on the master; else `k8s-node reset` on {name} makes it one                  with new keys, and `k8s-node admit {name}` on the master lets it in"
            );
            self.bound.insert(name.to_owned(), bound);
        } else {
            self.rebind(name, keys);
        }
        if let Some(bound) = self.bound.get_mut(name) {
            bound.own_address |= own_address;
        }
        if matches!(standing, Standing::Admitted { .. }) {
            self.admitted.remove(name);
        }
        Ok(())
    }

    /// Gives a name to another switch.
    pub(super) fn rebind(&mut self, name: &str, keys: &Keys) {
        let before = self.bound.remove(name).unwrap_or_default();
        let former = before.former.into_iter().chain(before.keys.into_values()).collect();
        let mut bound = Bound { former, ..Bound::default() };
        bound.replace(keys);
        self.bound.insert(name.to_owned(), bound);
        self.enrolled_before.remove(name);
    }

    /// Binds a name to the key that its kubelet serves; says whether it was still to be bound. A revoked one's kubelet is not asked.
    pub fn learn(&mut self, name: &str, key: &KeyDigest) -> bool {
        if self.revoked.contains_key(name) {
            return false;
        }
        self.enrolled_before.remove(name);
        let unknown = !self.bound.contains_key(name);
        if unknown {
            let keys = Keys::from([(Credential::Node, key.clone())]);
            self.bound.insert(name.to_owned(), Bound { keys, ..Bound::default() });
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
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
