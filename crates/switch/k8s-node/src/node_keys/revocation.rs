//! Names that were taken back: who has one is that node no more, with whatever certificate. Another key may get the name by an
//! admission; those of before stay revoked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cluster::{
    pki::{self, Credential, KeyDigest},
    revoked::RevokedClients,
};

use super::{
    Keys, NodeKeys,
    table::{Revocation, seconds},
};

/// How the lines of the API server's list begin that say which keys were revoked with a name, and which of them before the last
/// word: the list alone outlives a table that is lost.
const KEYS: &str = "keys of ";
const EARLIER: &str = "earlier keys of ";

impl NodeKeys {
    /// Whether the table has anything of a name.
    pub fn has(&self, name: &str) -> bool {
        self.bound.contains_key(name) || self.enrolled_before.contains(name) || self.revoked.contains_key(name)
    }

    /// Takes a name from whoever has it, and from whoever was admitted to it.
    pub fn revoke(&mut self, name: &str, now: SystemTime) {
        self.admitted.remove(name);
        let was_away = self.is_away(name);
        let bound = self.bound.get(name).into_iter();
        let known = bound.flat_map(|bound| bound.keys.values().chain(&bound.former)).cloned();
        let earlier = self.revoked.get(name).map(|revocation| revocation.keys.clone());
        let revocation = self.revoked.entry(name.to_owned()).or_default();
        revocation.keys.extend(known);
        if !was_away {
            revocation.since = seconds(now);
            revocation.earlier = earlier;
        }
    }

    /// Takes the last such word back. What was revoked before another key got the name stays so.
    pub fn pardon(&mut self, name: &str) {
        let Some(mut revocation) = self.revoked.remove(name) else { return };
        if let Some(earlier) = revocation.earlier.take() {
            self.revoked.insert(name.to_owned(), Revocation { keys: earlier, ..revocation });
        }
    }

    /// Names of which keys are revoked, whoever has them now.
    pub fn revoked(&self) -> impl Iterator<Item = &str> {
        self.revoked.keys().map(String::as_str)
    }

    /// Whether a name is revoked, and since when; whether another key has it again makes no difference.
    pub fn revoked_since(&self, name: &str) -> Option<SystemTime> {
        self.revoked.get(name).map(|revocation| UNIX_EPOCH + Duration::from_secs(revocation.since))
    }

    /// Names that nobody has.
    pub fn away(&self) -> impl Iterator<Item = &str> {
        self.revoked.keys().map(String::as_str).filter(move |name| self.is_away(name))
    }

    /// Whether a name is revoked and no other key has got it since.
    pub fn is_away(&self, name: &str) -> bool {
        self.revoked.contains_key(name) && self.successor(name).is_none()
    }

    /// Whether one of these is of those that were revoked with the name.
    pub fn has_revoked_key(&self, name: &str, keys: &Keys) -> bool {
        keys.values().any(|key| self.was_revoked_with(name, key))
    }

    /// Whether a name had this key, of whichever certificate, when it was revoked.
    pub fn was_revoked_with(&self, name: &str, key: &KeyDigest) -> bool {
        self.revoked.get(name).is_some_and(|revocation| revocation.keys.contains(key))
    }

    /// Whether who has this key may not be that node, whatever certificate there is.
    pub fn is_revoked(&self, name: &str, key: &KeyDigest) -> bool {
        self.is_away(name) || self.was_revoked_with(name, key)
    }

    /// Whether it is not known which key the kube-proxy of a node has: its certificate is in the name of all of them.
    pub fn lacks_proxy_key(&self, name: &str) -> bool {
        self.bound.get(name).is_none_or(|bound| !bound.keys.contains_key(&Credential::KubeProxy))
    }

    /// Whom the API server is to refuse; and whose the keys are, for [`NodeKeys::revoked_again`].
    pub fn revoked_clients(&self) -> RevokedClients {
        let mut clients = RevokedClients::default();
        for (name, Revocation { keys, earlier, .. }) in &self.revoked {
            let user = pki::node_user(name);
            clients.keys.extend(keys.iter().cloned());
            clients.users.insert(of(KEYS, &user), keys.clone());
            clients.users.extend(earlier.clone().map(|earlier| (of(EARLIER, &user), earlier)));
            clients.users.insert(user, self.successor(name).into_iter().cloned().collect());
        }
        clients
    }

    /// What such a list says, in a table that does not know it: the one that it was made of is gone, or newer than this.
    pub fn revoked_again(&mut self, clients: &RevokedClients, now: SystemTime) {
        let prefix = pki::node_user("");
        for (user, successors) in &clients.users {
            let Some(name) = user.strip_prefix(&prefix) else { continue };
            let own = self.bound.get(name).and_then(|bound| bound.keys.get(&Credential::Node));
            let is_successor = own.is_some_and(|own| successors.contains(own));
            // Who has the name by this table is of before that word.
            if !is_successor && (successors.is_empty() || !self.revoked.contains_key(name)) {
                self.revoke(name, now);
            }
            let revocation = self.revoked.entry(name.to_owned()).or_default();
            revocation.keys.extend(clients.users.get(&of(KEYS, user)).unwrap_or(&clients.keys).iter().cloned());
            if let Some(earlier) = clients.users.get(&of(EARLIER, user)) {
                revocation.earlier.get_or_insert_default().extend(earlier.iter().cloned());
            }
            if revocation.since == 0 {
                revocation.since = seconds(now);
            }
            let successor = successors.iter().find(|successor| !revocation.keys.contains(successor));
            if let Some(successor) = successor.filter(|_| !is_successor) {
                self.rebind(name, &Keys::from([(Credential::Node, successor.clone())]));
            }
        }
    }

    /// The key that has got a name after it was revoked.
    fn successor(&self, name: &str) -> Option<&KeyDigest> {
        let (revocation, bound) = self.revoked.get(name).zip(self.bound.get(name))?;
        bound.keys.get(&Credential::Node).filter(|key| !revocation.keys.contains(key))
    }
}

/// The API server takes them for users, whom nobody signs for: it reads no other lines than those of its form.
fn of(what: &str, user: &str) -> String {
    format!("{what}{user}")
}
