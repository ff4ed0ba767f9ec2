//! What a registrar grants and holds, and what it tells.

use crate::uri::{Identity, Uri};

/// What a [`Registrar`](super::Registrar) grants and holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The shortest duration granted; a shorter wish is answered 423. 60 s.
    pub min_expires: u32,
    /// The duration granted when none is wished for. 3600 s.
    pub default_expires: u32,
    /// The longest duration granted; a longer wish is shortened. 7200 s.
    pub max_expires: u32,
    /// Contacts of one address of record; one more is answered 403. 10.
    pub max_contacts: usize,
    /// Addresses of record with a binding; one more is answered 503. 100 000.
    pub max_aors: usize,
    /// Octets of one contact with its Path; a longer one is answered 403. 4096.
    pub max_contact_octets: usize,
    /// Temporary GRUUs of one instance that are valid at a time; then the latest is told again. 8.
    pub max_temporary_gruus: usize,
    /// How long keep-alives are waited for on a registered flow, in seconds, as `Flow-Timer` tells (RFC 5626 section 10). None.
    pub flow_timer: Option<u32>,
    /// Whether each change of a contact is told ([`RegistrarEvent::Contact`]), for the event package `reg` (RFC 3680). No.
    pub report_contacts: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_expires: 60,
            default_expires: 3600,
            max_expires: 7200,
            max_contacts: 10,
            max_aors: 100_000,
            max_contact_octets: 4096,
            max_temporary_gruus: 8,
            flow_timer: None,
            report_contacts: false,
        }
    }
}

/// News of a registrar that no REGISTER brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrarEvent {
    /// Bindings ended, by time or with their flow.
    Expired {
        /// Whose.
        aor: Identity,
        /// Whether the user is not registered any more.
        gone: bool,
    },
    /// Something has become of a contact; told if [`Config::report_contacts`].
    Contact {
        /// Whose.
        aor: Identity,
        /// Its number, never reused: the `id` in registration information.
        id: u64,
        /// Its address.
        uri: Uri,
        /// What.
        change: ContactChange,
    },
}

/// What has become of a contact: the events of RFC 3680 section 3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContactChange {
    /// It is new.
    Registered,
    /// It was renewed.
    Refreshed,
    /// It was renewed, to end earlier than it would have.
    Shortened,
    /// Its time is over.
    Expired,
    /// It was removed by a request.
    Unregistered,
    /// It was removed by the network, and is to be registered again at once: its flow is gone.
    Deactivated,
}
