//! What a host decides for a relay: its names, times and sizes.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::codec;
use crate::digest::Algorithm;

/// How a [`Relay`](super::Relay) behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The realm of its challenges.
    pub realm: String,
    /// Where peers reach it, for the URIs that it hands out: a client on a connection with TLS is given the first that
    /// is secure, another client the first that is not, and either the first of all where there is no such.
    pub addresses: Vec<Address>,
    /// Further host names under which clients address their AUTH requests; one with a leading dot stands for all
    /// names that end so. Empty: [`Self::addresses`] only.
    pub names: Vec<String>,
    /// What is taken on the wire at the most.
    pub codec: codec::Limits,
    /// What is taken on the wire although it should not be there.
    pub leniency: codec::Leniency,
    /// What it holds at the most.
    pub limits: Limits,
    /// The algorithms that clients may answer with, the preferred one first (default MD5, the only one whose length
    /// the grammar of RFC 4976 allows). Session variants are left out, as section 9.1 demands.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce may be answered (default 5 min).
    pub nonce_lifetime: Duration,
    /// Whether clients may authenticate over connections without TLS (default no, RFC 4976 section 8). For relays
    /// behind something that ends TLS, and for loopback.
    pub plain_auth: bool,
    /// The shortest lifetime of a URI that a client may ask for (default 60 s).
    pub min_expires: Duration,
    /// The longest lifetime of a URI that a client may ask for (default 24 h).
    pub max_expires: Duration,
    /// The lifetime of a URI whose client asked for none (default 1 h).
    pub default_expires: Duration,
    /// How long the next hop may take to answer, from the last octet handed over (RFC 4976 section 6.4.1; default
    /// 30 s).
    pub response_timeout: Duration,
    /// How long an accepted connection may be without a successful request (RFC 4976 section 6.1; default 30 s).
    pub probation: Duration,
    /// How long a connection on which no URI was handed out may be unused (RFC 4976 section 6.5; default 1 h).
    pub idle_timeout: Duration,
    /// How long a connection may take none of what waits for it before it is closed (default 60 s).
    pub stall_timeout: Duration,
    /// How long a sender of several receivers may be kept from being read because of one of them; then what waits for
    /// that one is given up (default 10 s).
    pub pause_timeout: Duration,
    /// How long the host may take to tell a password (default 10 s).
    pub password_timeout: Duration,
    /// How many requests of a connection may fail, AUTH or others before the first success, until it is closed
    /// (RFC 4976 sections 6.1 and 6.3; default 5).
    pub failed_requests: u32,
    /// Whether requests with methods that are not known are forwarded (RFC 4976 section 6.4.2; default yes).
    pub unknown_methods: bool,
    /// The most octets of a body in one chunk that it sends (default 8 KiB, which relays and peers that gather whole
    /// messages take).
    pub chunk_size: NonZeroUsize,
    /// The most octets of a body that go out between two looks for what is more urgent (default 8 KiB).
    pub interrupt_size: NonZeroUsize,
}

/// Where a relay is reached.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Address {
    /// Whether with TLS: its URIs are `msrps`.
    pub secure: bool,
    /// The host name (RFC 4976 section 4.2 demands a name; an address works where peers can be expected to take it).
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Makes an address of its parts.
    pub fn new(secure: bool, host: impl Into<String>, port: u16) -> Self {
        Self {
            secure,
            host: host.into(),
            port,
        }
    }
}

impl Config {
    /// The defaults for a relay at that address, whose host is the realm too.
    ///
    /// ```
    /// use msrp::relay::{Address, Config};
    ///
    /// let config = Config::new(Address::new(true, "relay.example.com", 2855));
    /// assert_eq!(config.realm, "relay.example.com");
    /// assert!(!config.plain_auth);
    /// ```
    pub fn new(address: Address) -> Self {
        Self {
            realm: address.host.clone(),
            addresses: vec![address],
            names: Vec::new(),
            codec: codec::Limits::default(),
            leniency: codec::Leniency::default(),
            limits: Limits::default(),
            algorithms: vec![Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            plain_auth: false,
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(24 * 3600),
            default_expires: Duration::from_secs(3600),
            response_timeout: Duration::from_secs(30),
            probation: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(3600),
            stall_timeout: Duration::from_secs(60),
            pause_timeout: Duration::from_secs(10),
            password_timeout: Duration::from_secs(10),
            failed_requests: 5,
            unknown_methods: true,
            chunk_size: const { NonZeroUsize::new(8 * 1024).unwrap() },
            interrupt_size: const { NonZeroUsize::new(8 * 1024).unwrap() },
        }
    }

    /// Whether a request without a URI that was handed out is for this relay.
    pub(super) fn is_own_name(&self, host: &str) -> bool {
        let fits = |name: &str| match name.strip_prefix('.') {
            Some(domain) => host
                .len()
                .checked_sub(name.len())
                .and_then(|at| host.split_at_checked(at))
                .is_some_and(|(label, rest)| {
                    !label.is_empty()
                        && rest
                            .strip_prefix('.')
                            .is_some_and(|rest| rest.eq_ignore_ascii_case(domain))
                }),
            None => name.eq_ignore_ascii_case(host),
        };
        self.names.iter().any(|name| fits(name)) || self.addresses.iter().any(|own| fits(&own.host))
    }

    /// Whether a connection to that place would come back here.
    pub(super) fn is_own_address(&self, host: &str, port: u16) -> bool {
        self.addresses
            .iter()
            .any(|own| own.port == port && own.host.eq_ignore_ascii_case(host))
            || self.addresses.iter().any(|own| own.port == port) && self.is_own_name(host)
    }

    /// The address for the URIs of a client.
    pub(super) fn address_for(&self, secure: bool) -> Option<&Address> {
        self.addresses
            .iter()
            .find(|own| own.secure == secure)
            .or(self.addresses.first())
    }
}

/// What a [`Relay`](super::Relay) holds at the most.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections, open or about to be (default 10 000). One more, and one that has been unused for longest and has
    /// no URIs makes room.
    pub connections: usize,
    /// URIs that are handed out, all connections together (default 100 000).
    pub uris: usize,
    /// URIs that are handed out on one connection (default 256).
    pub uris_per_connection: usize,
    /// Peers that one URI's client is known to talk to (default 8). Those beyond are found by their addresses only.
    pub routes_per_uri: usize,
    /// Octets that have come on one connection and wait to be sent, beyond which it is not read (default 256 KiB).
    /// A host that reads on may exceed it four times, then its messages are given up.
    pub waiting_per_connection: usize,
    /// Octets that wait to be sent, all connections together (default 256 MiB). Beyond half of it, connections are
    /// not read while anything of theirs waits; at all of it, messages are given up.
    pub waiting: usize,
    /// Octets of responses and reports of one connection that the peer has not read; beyond it the connection is
    /// closed (default 256 KiB).
    pub urgent_octets: usize,
    /// Chunks sent on one connection that wait for an answer, beyond which no more are sent (default 256).
    pub unanswered_per_connection: usize,
    /// Requests that wait for an answer, all connections together (default 262 144). What is sent beyond is not
    /// watched: nobody is told of its failure.
    pub unanswered: usize,
    /// AUTH requests that wait for the host to tell a password, all connections together (default 4096).
    pub auths: usize,
    /// AUTH requests of one connection that wait for the host to tell a password (default 64).
    pub auths_per_connection: usize,
    /// Nonces whose used counts are remembered; beyond, the oldest become stale (default 100 000).
    pub nonces: usize,
    /// URIs in both paths of a message together (default 16).
    pub path: usize,
    /// Octets of the body of a request other than SEND (default 10 240, RFC 4975 section 7.1).
    pub other_body_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            uris: 100_000,
            uris_per_connection: 256,
            routes_per_uri: 8,
            waiting_per_connection: 256 * 1024,
            waiting: 256 << 20,
            urgent_octets: 256 * 1024,
            unanswered_per_connection: 256,
            unanswered: 262_144,
            auths: 4096,
            auths_per_connection: 64,
            nonces: 100_000,
            path: 16,
            other_body_octets: 10_240,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_dots_stand_for_what_is_below() {
        let mut config = Config::new(Address::new(false, "192.0.2.1", 2855));
        config.names = vec!["Example.com".to_owned(), ".example.com".to_owned()];
        for own in ["192.0.2.1", "example.COM", "relay.example.com", "a.b.Example.com"] {
            assert!(config.is_own_name(own), "{own}");
        }
        for other in ["192.0.2.2", "badexample.com", ".example.com", "com", ""] {
            assert!(!config.is_own_name(other), "{other}");
        }
        assert!(config.is_own_address("relay.example.com", 2855));
        assert!(!config.is_own_address("relay.example.com", 2856));
    }

    #[test]
    fn clients_are_given_an_address_of_their_kind() {
        let mut config = Config::new(Address::new(true, "a.example", 1));
        config.addresses.push(Address::new(false, "b.example", 2));
        assert_eq!(config.address_for(true).map(|own| own.port), Some(1));
        assert_eq!(config.address_for(false).map(|own| own.port), Some(2));
        config.addresses.pop();
        assert_eq!(config.address_for(false).map(|own| own.port), Some(1));
    }
}
