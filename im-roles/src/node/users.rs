//! The users a server serves, by every name they go by.

use std::collections::BTreeMap;

use sip_im::digest::{Algorithm, Ha1};
use sip_im::{Aliases, Identity, Uri};

use crate::config::User;

/// The provisioned users.
#[derive(Debug, Default)]
pub(super) struct Users {
    by_identity: BTreeMap<Identity, User>,
    by_name: BTreeMap<String, Identity>,
    aliases: Aliases,
}

impl Users {
    pub(super) fn new(users: &[User]) -> Self {
        let mut table = Self::default();
        for user in users {
            table.insert(user.clone());
        }
        table
    }

    pub(super) fn insert(&mut self, user: User) {
        let identity = user.uri.identity();
        self.remove(&identity);
        for alias in &user.aliases {
            self.aliases.insert(alias, &user.uri);
        }
        if let Some(name) = user.uri.user() {
            self.by_name.insert(name.to_owned(), identity.clone());
        }
        self.by_identity.insert(identity, user);
    }

    /// Forgets a user. His aliases lead to an identity that nobody has any more.
    pub(super) fn remove(&mut self, identity: &Identity) {
        self.by_identity.remove(identity);
        self.by_name.retain(|_, owner| owner != identity);
    }

    /// The user whom an address belongs to.
    pub(super) fn find(&self, uri: &Uri) -> Option<&Identity> {
        let folded = self.fold(&uri.identity());
        self.by_identity
            .get_key_value(&folded)
            .map(|(identity, _)| identity)
    }

    /// An identity with alias sets folded.
    pub(super) fn fold(&self, identity: &Identity) -> Identity {
        self.aliases.fold(identity)
    }

    pub(super) fn aliases(&self) -> &Aliases {
        &self.aliases
    }

    pub(super) fn get(&self, identity: &Identity) -> Option<&User> {
        self.by_identity.get(identity)
    }

    /// The user who authenticates under a name: the user part of the address of record, or all of it without the scheme.
    pub(super) fn authenticates_as(&self, name: &str) -> Option<&Identity> {
        let local = name.split_once('@').map_or(name, |(local, _)| local);
        let identity = self.by_name.get(local)?;
        let whole = identity.to_string();
        (local == name || whole.split_once(':').is_some_and(|(_, rest)| rest == name)).then_some(identity)
    }

    /// The digest secret of the user who authenticates under a name.
    pub(super) fn ha1(&self, realm: &str, name: &str, algorithm: Algorithm) -> Option<Ha1> {
        let user = self.by_identity.get(self.authenticates_as(name)?)?;
        Some(Ha1::of_password(algorithm, name, realm, &user.password))
    }
}
