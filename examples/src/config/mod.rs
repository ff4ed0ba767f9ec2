//! im-server's configuration file.
//!
//! [`Config`] is the file as it is written, with every default; [`Plan`] is what a server makes of it, after everything
//! in it has been found to mean something. A key that is not known is an error with its line, and so is a value that
//! asks for something that this server does not do: neither is passed over in silence.

mod plan;

use std::path::Path;

use serde::Deserialize;

pub use plan::{Plan, PlanError, Sinks};

/// The file.
///
/// ```
/// let config = examples::config::Config::parse("domain = 'example.com'\n[limits]\nmax_message_size = 1000")?;
/// assert_eq!(config.limits.max_message_size, 1000);
/// assert_eq!(config.listen.sip_udp, "127.0.0.1:5060");
/// assert!(examples::config::Config::parse("domian = 'example.com'").is_err());
/// # Ok::<(), examples::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the keys are documented in the file that --print-default-config prints"
)]
pub struct Config {
    pub domain: String,
    #[serde(default)]
    pub listen: Listen,
    #[serde(default)]
    pub tls: Tls,
    #[serde(default)]
    pub services: Services,
    #[serde(default)]
    pub auth: Auth,
    #[serde(default)]
    pub core: Core,
    #[serde(default)]
    pub routes: Vec<Route>,
    #[serde(default)]
    pub functions: Functions,
    #[serde(default)]
    pub users: Vec<User>,
    #[serde(default)]
    pub groups: Vec<Group>,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub xcap: Xcap,
    #[serde(default)]
    pub charging: Charging,
    #[serde(default)]
    pub intercept: Intercept,
    #[serde(default)]
    pub events: Events,
    #[serde(default)]
    pub store: StoreFile,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub trace: Trace,
}

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is not TOML, lacks the domain, or has a key or a kind of value that is not known; with line and column.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
}

impl Config {
    /// Reads text.
    ///
    /// # Errors
    ///
    /// Fails when the text is not TOML, lacks the domain, or has a key or a kind of value that is not known.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Ok(toml::from_str(text)?)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], and when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// The defaults for a domain.
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            listen: Listen::default(),
            tls: Tls::default(),
            services: Services::default(),
            auth: Auth::default(),
            core: Core::default(),
            routes: Vec::new(),
            functions: Functions::default(),
            users: Vec::new(),
            groups: Vec::new(),
            policy: Policy::default(),
            xcap: Xcap::default(),
            charging: Charging::default(),
            intercept: Intercept::default(),
            events: Events::default(),
            store: StoreFile::default(),
            limits: Limits::default(),
            trace: Trace::default(),
        }
    }
}

/// The file that `--print-default-config` prints: every key with its default, for the domain `example.com`.
pub const DEFAULT: &str = include_str!("default.toml");

/// Declares one table of the file: its keys and their defaults.
macro_rules! table {
    ($(#[$attribute:meta])* $name:ident { $($key:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Deserialize, PartialEq)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the keys are documented in the file that --print-default-config prints")]
        pub struct $name {
            $(pub $key: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    };
}

table! {
    /// `[listen]`
    Listen {
        sip_udp: String = "127.0.0.1:5060".to_owned(),
        sip_tcp: String = "127.0.0.1:5060".to_owned(),
        sip_tls: String = String::new(),
        msrp_tcp: String = "127.0.0.1:2855".to_owned(),
        msrp_tls: String = String::new(),
        xcap_http: String = "127.0.0.1:8080".to_owned(),
        sip_ws: String = String::new(),
        msrp_ws: String = String::new(),
        msrp_relay: String = String::new(),
        msrp_relay_host: String = String::new(),
        admin_http: String = String::new(),
    }
}

table! {
    /// `[tls]`
    Tls {
        certificate: String = "cert.pem".to_owned(),
        key: String = "key.pem".to_owned(),
    }
}

table! {
    /// `[services]`; without a value, the function's name at the domain.
    Services {
        conference_factory: Option<String> = None,
        exploder: Option<String> = None,
        deferred: Option<String> = None,
        history: Option<String> = None,
        presence: Option<String> = None,
    }
}

table! {
    /// `[auth]`; without a realm, the domain.
    Auth {
        mode: Mode = Mode::Digest,
        realm: Option<String> = None,
        trusted_peers: Vec<String> = Vec::new(),
    }
}

/// `auth.mode`
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// Users register here and authenticate.
    Digest,
    /// Identities come asserted from trusted peers.
    Trusted,
}

table! {
    /// `[core]`
    Core {
        outbound: String = String::new(),
        served_user: String = "p-served-user".to_owned(),
    }
}

/// `[[routes]]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the keys are documented in the file that --print-default-config prints"
)]
pub struct Route {
    pub domain: String,
    pub next_hop: String,
    #[serde(default)]
    pub trusted: bool,
}

table! {
    /// `[functions]`
    Functions {
        participating: String = LOCAL.to_owned(),
        controlling: String = LOCAL.to_owned(),
        deferred: String = LOCAL.to_owned(),
        history: String = LOCAL.to_owned(),
        presence: String = LOCAL.to_owned(),
    }
}

/// `policy.presence_default`
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Watching {
    /// Users without presence rules may be watched.
    Allow,
    /// They are watched once they have said so in rules.
    Confirm,
    /// Who watches them sees that they are not available.
    PoliteBlock,
    /// They cannot be watched.
    Block,
}

/// `[[users]]`
#[derive(Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the keys are documented in the file that --print-default-config prints"
)]
pub struct User {
    pub uri: String,
    #[serde(default)]
    pub password: String,
    #[serde(default)]
    pub aliases: Vec<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("uri", &self.uri)
            .field("aliases", &self.aliases)
            .finish_non_exhaustive()
    }
}

/// `[[groups]]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the keys are documented in the file that --print-default-config prints"
)]
pub struct Group {
    pub uri: String,
    #[serde(default)]
    pub kind: Kind,
    #[serde(default)]
    pub owner: String,
    #[serde(default)]
    pub members: Vec<String>,
    #[serde(default = "yes")]
    pub allow_anonymity: bool,
    #[serde(default = "yes")]
    pub allow_private: bool,
    #[serde(default)]
    pub allow_expel: bool,
}

/// `kind` of a group
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Users join.
    #[default]
    Chat,
    /// The members are invited.
    Prearranged,
}

table! {
    /// `[policy]`
    Policy {
        polite_block: u16 = 480,
        presence_default: Watching = Watching::Allow,
        peer_to_peer: bool = false,
        push_deferred: bool = true,
        aggregate_imdn_s: u64 = 0,
    }
}

table! {
    /// `[xcap]`
    Xcap {
        trusted_proxies: Vec<String> = Vec::new(),
    }
}

table! {
    /// `[charging]`
    Charging {
        file: String = String::new(),
        online: Online = Online::Grant,
    }
}

/// `charging.online`
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Online {
    /// Everything is granted.
    Grant,
    /// Nothing is granted.
    Deny,
    /// There is no answer.
    Timeout,
}

table! {
    /// `[intercept]`
    Intercept {
        file: String = String::new(),
        targets: Vec<String> = Vec::new(),
    }
}

table! {
    /// `[events]`
    Events {
        file: String = String::new(),
    }
}

table! {
    /// `[store]`
    StoreFile {
        path: String = "im.db".to_owned(),
    }
}

table! {
    /// `[limits]`
    Limits {
        max_message_size: u64 = 1_048_576,
        max_adhoc_group_size: usize = 100,
        max_deferred_per_user: usize = 1_000,
        deferred_octets: u64 = 104_857_600,
        deferred_max_age_s: u64 = 604_800,
        history_octets: u64 = 104_857_600,
        session_expires_s: u64 = 1_800,
        notify_interval_ms: u64 = 500,
        chunk_timer_s: u64 = 540,
    }
}

table! {
    /// `[trace]`
    Trace {
        pcapng: String = String::new(),
        ladder: String = String::new(),
    }
}

fn yes() -> bool {
    true
}

const LOCAL: &str = "local";

/// A function that is left out.
const NONE: &str = "none";
