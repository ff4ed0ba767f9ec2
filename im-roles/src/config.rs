//! What a host decides.

use std::time::Duration;

use im_xdm_model::document::access_rules::SubHandling;
use sip_im::Uri;

/// How a server behaves. Every field has a documented default except the domain, given to [`Config::new`].
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a choice of its own, by the name that users know it by"
)]
#[non_exhaustive]
pub struct Config {
    /// The domain that the server is responsible for.
    pub domain: String,
    /// The digest realm. Default: the domain.
    pub realm: String,
    /// The digest algorithms to challenge with, in the order of the challenges. Default: MD5, SHA-256; a client takes the
    /// strongest it knows (RFC 8760 2.4), and one that looks at the first challenge only still finds one it can answer.
    pub algorithms: Vec<sip_im::digest::Algorithm>,
    /// What the User-Agent of clients begins with that fail at the sight of a challenge other than MD5's, even beside one
    /// with MD5: they are shown that one alone. Whoever could forge the field on the way could as well take the other
    /// challenges out of the response, so nothing is lost. Default: `baresip v1.`, whose library gives up then.
    pub md5_only_agents: Vec<String>,
    /// Whether users authenticate by digest here (`true`, the default), or identities come asserted from trusted flows only.
    pub authenticate: bool,
    /// The conference factory's address. Default: `sip:conference@` the domain.
    pub conference_factory: Uri,
    /// The URI-list MESSAGE service's address. Default: `sip:exploder@` the domain.
    pub exploder: Uri,
    /// The Deferred Messaging function's address. Default: `sip:deferred@` the domain.
    pub deferred: Uri,
    /// The conversation history function's address. Default: `sip:history@` the domain.
    pub history: Uri,
    /// Whether this server keeps its users' presence and answers those who watch it; otherwise such requests go to the users'
    /// clients. Default: true.
    pub presence: bool,
    /// The address at which subscriptions to presence live. Default: `sip:presence@` the domain.
    pub presence_function: Uri,
    /// The documents that hold a user's presence rules; the first that there is decides. Default: `pres-rules` of
    /// `org.openmobilealliance.pres-rules`, then `index` of `pres-rules` (RFC 5025 9).
    pub presence_rules: Vec<RulesDocument>,
    /// How those are handled who watch a user without presence rules. Rules that say nothing of a watcher block him.
    /// Default: allow, as messages of strangers are delivered to users without rules.
    pub presence_default: SubHandling,
    /// This server's own SIP addresses, as peers reach it: named in Record-Route, known again in Route. Default: none,
    /// then the near end of each flow is taken.
    pub addresses: Vec<NextHop>,
    /// The application usages whose documents hold a user's rules, the first that has one decides; the document's name
    /// is the usage's last label. Default: `org.openmobilealliance.access-rules`.
    pub rules: Vec<String>,
    /// The path below which XCAP resources are. Default: `/xcap-root`.
    pub xcap_root: String,
    /// Host and port that media sessions are offered at, as the peers reach them. Default: `127.0.0.1` and 2855.
    pub msrp_host: String,
    /// See `msrp_host`.
    pub msrp_port: u16,
    /// The users served here.
    pub users: Vec<User>,
    /// Groups that exist without a stored document.
    pub groups: Vec<GroupConfig>,
    /// Static next hops by domain.
    pub routes: Vec<Route>,
    /// Where requests for other domains go when no route says otherwise. Default: nowhere.
    pub outbound: Option<NextHop>,
    /// What a politely blocked sender is told. Default: 480.
    pub polite_block: u16,
    /// Whether messages for a user who comes back are pushed to him. Default: true.
    pub push_deferred: bool,
    /// The header field that marks an exploded MESSAGE. Default: `X-IM-Controlling`.
    pub controlling_marker: String,
    /// Whether a user who was not invited may join an ad hoc group whose conference URI he has learnt. The URI cannot be
    /// guessed, so that only a participant can have told him. Default: true.
    pub open_adhoc_groups: bool,
    /// The limits.
    pub limits: Limits,
}

impl Config {
    /// The defaults for a domain.
    ///
    /// # Errors
    ///
    /// Fails when `domain` is not a host name of RFC 3261.
    ///
    /// ```
    /// let config = im_roles::config::Config::new("example.com")?;
    /// assert_eq!(config.exploder.to_string(), "sip:exploder@example.com");
    /// # Ok::<(), sip_im::error::ParseError>(())
    /// ```
    pub fn new(domain: &str) -> Result<Self, sip_im::error::ParseError> {
        Ok(Self {
            domain: domain.to_ascii_lowercase(),
            realm: domain.to_ascii_lowercase(),
            algorithms: vec![sip_im::digest::Algorithm::Md5, sip_im::digest::Algorithm::Sha256],
            md5_only_agents: vec!["baresip v1.".to_owned()],
            authenticate: true,
            conference_factory: Uri::sip("conference", domain)?,
            exploder: Uri::sip("exploder", domain)?,
            deferred: Uri::sip("deferred", domain)?,
            history: Uri::sip("history", domain)?,
            presence: true,
            presence_function: Uri::sip("presence", domain)?,
            presence_rules: vec![
                RulesDocument::new("org.openmobilealliance.pres-rules", "pres-rules"),
                RulesDocument::new("pres-rules", "index"),
            ],
            presence_default: SubHandling::Allow,
            addresses: Vec::new(),
            rules: vec!["org.openmobilealliance.access-rules".to_owned()],
            xcap_root: "/xcap-root".to_owned(),
            msrp_host: "127.0.0.1".to_owned(),
            msrp_port: 2855,
            users: Vec::new(),
            groups: Vec::new(),
            routes: Vec::new(),
            outbound: None,
            polite_block: 480,
            push_deferred: true,
            controlling_marker: "X-IM-Controlling".to_owned(),
            open_adhoc_groups: true,
            limits: Limits::default(),
        })
    }
}

/// Where a kind of rules is in the documents of a user.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RulesDocument {
    /// The application usage.
    pub auid: String,
    /// The document's name.
    pub document: String,
}

impl RulesDocument {
    /// Puts the two together.
    pub fn new(auid: &str, document: &str) -> Self {
        Self {
            auid: auid.to_owned(),
            document: document.to_owned(),
        }
    }
}

/// A user whom the server serves.
#[derive(Clone)]
#[non_exhaustive]
pub struct User {
    /// The address of record.
    pub uri: Uri,
    /// The secret; the user name for digest is the address of record's user part.
    pub password: String,
    /// Other addresses of the same user.
    pub aliases: Vec<Uri>,
}

impl User {
    /// A user without aliases.
    pub fn new(uri: Uri, password: impl Into<String>) -> Self {
        Self {
            uri,
            password: password.into(),
            aliases: Vec::new(),
        }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("uri", &self.uri)
            .field("aliases", &self.aliases)
            .finish_non_exhaustive()
    }
}

/// How the members of a group come together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GroupKind {
    /// Users join; nobody is called.
    Chat,
    /// The focus invites the members.
    Prearranged,
}

/// A group that exists without a stored document.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupConfig {
    /// Its address.
    pub uri: Uri,
    /// How its members come together.
    pub kind: GroupKind,
    /// Who owns it.
    pub owner: Option<Uri>,
    /// Its members.
    pub members: Vec<Uri>,
    /// Whether participants may hide their identity.
    pub allow_anonymity: bool,
    /// Whether participants may send to one another.
    pub allow_private: bool,
    /// Whether participants other than the owner may expel.
    pub allow_expel: bool,
}

impl GroupConfig {
    /// A group without members, in which anonymity and private messages are allowed and expelling is not.
    pub fn new(uri: Uri, kind: GroupKind) -> Self {
        Self {
            uri,
            kind,
            owner: None,
            members: Vec::new(),
            allow_anonymity: true,
            allow_private: true,
            allow_expel: false,
        }
    }
}

/// An address to send requests to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NextHop {
    /// How.
    pub transport: sip_im::Transport,
    /// A host name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl NextHop {
    /// Puts the parts together.
    pub fn new(transport: sip_im::Transport, host: impl Into<String>, port: u16) -> Self {
        Self {
            transport,
            host: host.into(),
            port,
        }
    }
}

/// A static next hop.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// For requests to this domain.
    pub domain: String,
    /// Where they go.
    pub next_hop: NextHop,
    /// Whether the peer there belongs to the trust domain.
    pub trusted: bool,
}

impl Route {
    /// Puts the parts together.
    pub fn new(domain: impl Into<String>, next_hop: NextHop, trusted: bool) -> Self {
        Self {
            domain: domain.into(),
            next_hop,
            trusted,
        }
    }
}

/// Bounds on all that users and peers can make grow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of one message, in any mode. Default: 1 MiB.
    pub max_message_size: u64,
    /// Recipients of a URI list, and participants of an ad hoc group. Default: 100.
    pub max_adhoc_group_size: usize,
    /// Participants of any conference. Default: 1,000.
    pub max_participants: usize,
    /// Conferences at a time. Default: 10,000.
    pub max_conferences: usize,
    /// Conference-state subscriptions of one conference. Default: 2,000.
    pub max_subscriptions: usize,
    /// Publications of one user's presence, one for each of his clients. Default: 8.
    pub max_publications: usize,
    /// Octets of one publication. Default: 32 KiB.
    pub max_publication_octets: usize,
    /// Subscriptions to one user's presence and watchers. Default: 1,000.
    pub max_watchers: usize,
    /// Subscriptions to presence and watchers in all. Default: 100,000.
    pub max_presence_subscriptions: usize,
    /// Messages that wait for one user. Default: 1,000.
    pub max_deferred_per_user: usize,
    /// Octets of all messages that wait for one user. Default: 100 MiB.
    pub max_deferred_octets: u64,
    /// How long a message waits. Default: 7 days.
    pub deferred_max_age: Duration,
    /// How long a store may take to answer. Default: 10 s.
    pub effect_timeout: Duration,
    /// Requests in the hands of the roles at a time. Default: 100,000.
    pub max_pending_requests: usize,
    /// Dialogs between users that pass through at a time. Default: 100,000.
    pub max_dialogs: usize,
    /// How long a dialog between users is remembered without any request inside it. Default: 24 h.
    pub dialog_idle: Duration,
    /// How long an INVITE may ring (RFC 3261 16.6, Timer C). Default: 180 s.
    pub ringing: Duration,
    /// How long any other request may take within the server (RFC 3261 17.1.2.2 gives it 64*T1 on the wire). Default: 40 s.
    pub answer_timeout: Duration,
    /// Contacts that one request is delivered to at the same time. Default: 10.
    pub max_branches: usize,
    /// Messages of one mailbox that are listed at a time. Default: 20.
    pub deferred_page: usize,
    /// Octets of an XCAP request's body. Default: 256 KiB.
    pub max_document_size: usize,
    /// Documents that the directory of a user lists. Default: 1,000.
    pub max_listed_documents: usize,
    /// XCAP requests in the hands of the server at a time. Default: 1,000.
    pub max_xcap_requests: usize,
    /// The least time between two notifications of one subscription. Default: 500 ms.
    pub notify_interval: Duration,
    /// How long a message's chunks may be apart in a conference (RFC 7701 6.1). Default: 540 s.
    pub chunk_timer: Duration,
    /// The session interval of participants (RFC 4028): a client that knows of session timers and is not heard of for so long is
    /// taken out. Whole seconds; zero asks for none. Default: 1800 s.
    pub session_expires: Duration,
    /// Octets that wait for one slow participant. Default: 16 MiB.
    pub max_queued_per_participant: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_size: 1024 * 1024,
            max_adhoc_group_size: 100,
            max_participants: 1_000,
            max_conferences: 10_000,
            max_subscriptions: 2_000,
            max_publications: 8,
            max_publication_octets: 32 * 1024,
            max_watchers: 1_000,
            max_presence_subscriptions: 100_000,
            max_deferred_per_user: 1_000,
            max_deferred_octets: 100 * 1024 * 1024,
            deferred_max_age: Duration::from_secs(7 * 24 * 3600),
            effect_timeout: Duration::from_secs(10),
            max_pending_requests: 100_000,
            max_dialogs: 100_000,
            dialog_idle: Duration::from_secs(24 * 3600),
            ringing: Duration::from_secs(180),
            answer_timeout: Duration::from_secs(40),
            max_branches: 10,
            deferred_page: 20,
            max_document_size: 256 * 1024,
            max_listed_documents: 1_000,
            max_xcap_requests: 1_000,
            notify_interval: Duration::from_millis(500),
            chunk_timer: Duration::from_secs(540),
            session_expires: Duration::from_secs(1800),
            max_queued_per_participant: 16 * 1024 * 1024,
        }
    }
}
