//! What a client is told before it starts.

use std::time::Duration;

use msrp::digest::Algorithm;
use sip_im::Uri;

use crate::config::NextHop;

/// How a client behaves, and what it was provisioned with.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The user's address of record.
    pub user: Uri,
    /// The secret; the user name for digest is the address of record's user part.
    pub password: String,
    /// The name that others are shown. Default: none.
    pub display_name: Option<String>,
    /// The server that every request goes to.
    pub server: NextHop,
    /// The only realm whose challenges are answered. Default: the domain of the address of record.
    pub realm: String,
    /// The digest algorithms that a challenge may ask for. Default: SHA-256, its session form, MD5 and its session form.
    pub algorithms: Vec<Algorithm>,
    /// Sent as P-Asserted-Identity instead of authenticating, towards a server that trusts this client. Default: none.
    pub asserted: Option<Uri>,
    /// The device, as a URN: `+sip.instance` of the Contact (RFC 5626 4.1). Default: none.
    pub instance: Option<String>,
    /// The conference factory (`conf-fcty-uri`). Default: `sip:conference@` the domain.
    pub conference_factory: Uri,
    /// The URI-list MESSAGE service (`exploder-uri`). Default: `sip:exploder@` the domain.
    pub exploder: Uri,
    /// Host and port at which the host accepts MSRP connections for this client, if it does. Without it every session
    /// is offered `a=setup:active`. Default: none.
    pub media_listen: Option<(String, u16)>,
    /// The MSRP relays that the user's sessions go through, the nearest first (RFC 4976); the user's password is theirs
    /// too. Default: none.
    pub msrp_relays: Vec<msrp::Uri>,
    /// Whether an invitation is accepted without asking. Default: false.
    pub auto_accept: bool,
    /// Whether a delivery notification is sent when a message asks for one (RFC 5438). Default: true.
    pub notify_delivery: bool,
    /// Whether every request asks for privacy, until [`Client::privacy`](super::Client::privacy) says otherwise.
    /// Default: false.
    pub privacy: bool,
    /// How long a registration is asked for. Default: 3,600 s.
    pub register_expires: Duration,
    /// How long a subscription is asked for. Default: 3,600 s.
    pub subscribe_expires: Duration,
    /// How long a publication is asked for. Default: 3,600 s.
    pub publish_expires: Duration,
    /// The time between two keep-alives on a stream (RFC 5626 4.4.1). Default: 95 s.
    pub keep_alive: Duration,
    /// How long to wait before the first attempt to connect again; doubled up to 32-fold. Default: 1 s.
    pub reconnect: Duration,
    /// How messages outside of a session take turns, and how large they may be (RFC 3428 8). Default: the pager's own,
    /// with [`Limits::max_waiting`] and [`Limits::max_pending`] for its limits.
    pub pager: sip_im::pager::Config,
    /// Octets that a MESSAGE request to the exploder may have. The server in front is reached over a stream, and what
    /// it sends on is its own request, so the limit of one user's request does not hold. Default: 65,536.
    pub max_list_octets: usize,
    /// The User-Agent header field's value. Default: `IM-client/OMA1.0`.
    pub user_agent: String,
    /// The limits.
    pub limits: Limits,
}

impl Config {
    /// The defaults for a user.
    ///
    /// # Errors
    ///
    /// Fails when the address of record has no host.
    ///
    /// ```
    /// use im_roles::{client::Config, config::NextHop};
    /// use sip_im::{Transport, Uri};
    ///
    /// let server = NextHop::new(Transport::Tcp, "192.0.2.1", 5060);
    /// let config = Config::new(Uri::parse("sip:alice@example.com")?, "secret", server)?;
    /// assert_eq!(config.conference_factory.to_string(), "sip:conference@example.com");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(user: Uri, password: impl Into<String>, server: NextHop) -> Result<Self, ConfigError> {
        let domain = user
            .host()
            .ok_or(ConfigError::NoDomain)?
            .to_string()
            .to_ascii_lowercase();
        let service = |name: &str| Uri::sip(name, &domain).map_err(|_| ConfigError::NoDomain);
        Ok(Self {
            conference_factory: service("conference")?,
            exploder: service("exploder")?,
            user,
            password: password.into(),
            display_name: None,
            server,
            realm: domain,
            algorithms: vec![
                Algorithm::Sha256,
                Algorithm::Sha256Sess,
                Algorithm::Md5,
                Algorithm::Md5Sess,
            ],
            asserted: None,
            instance: None,
            media_listen: None,
            msrp_relays: Vec::new(),
            auto_accept: false,
            notify_delivery: true,
            privacy: false,
            register_expires: Duration::from_secs(3_600),
            subscribe_expires: Duration::from_secs(3_600),
            publish_expires: Duration::from_secs(3_600),
            keep_alive: Duration::from_secs(95),
            reconnect: Duration::from_secs(1),
            pager: sip_im::pager::Config::default(),
            max_list_octets: 65_536,
            user_agent: "IM-client/OMA1.0".to_owned(),
            limits: Limits::default(),
        })
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("user", &self.user)
            .field("server", &self.server)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// Why a configuration cannot be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The user's address has no domain.
    #[error("the user's address has no domain")]
    NoDomain,
}

/// Bounds on all that peers and commands can make grow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Commands and requests that wait for a connection, or for an earlier message to the same user. Default: 256.
    pub max_waiting: usize,
    /// Requests without a final response. Default: 256.
    pub max_pending: usize,
    /// Sessions at a time, invitations included. Default: 64.
    pub max_sessions: usize,
    /// Octets of one message in a session. Default: 16 MiB.
    pub max_message_size: u64,
    /// Entries of one URI list. Default: 100.
    pub max_recipients: usize,
    /// Users of one roster. Default: 5,000.
    pub max_roster: usize,
    /// Received messages that are remembered, to know them again and to notify of their display. Default: 1,000.
    pub max_remembered: usize,
    /// Packages in which the user publishes. Default: 16.
    pub max_publications: usize,
    /// Subscriptions at a time, those to the state of conferences aside. Default: 256.
    pub max_watches: usize,
    /// Octets of one body once its content coding is undone. Default: 65,536.
    pub max_decoded_octets: usize,
    /// Events that wait to be polled; beyond it the news of peers is refused with 503, or dropped. Default: 10,000.
    pub max_events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_waiting: 256,
            max_pending: 256,
            max_sessions: 64,
            max_message_size: 16 * 1024 * 1024,
            max_recipients: 100,
            max_roster: 5_000,
            max_remembered: 1_000,
            max_publications: 16,
            max_watches: 256,
            max_decoded_octets: 65_536,
            max_events: 10_000,
        }
    }
}
