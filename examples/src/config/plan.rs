//! What a server makes of its configuration.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use im_roles::config as roles;
use im_xdm_model::document::access_rules::SubHandling;
use sip_im::{Transport, Uri};

use super::{Config, Kind, LOCAL, Limits, Mode, NONE, Online, Watching};
use crate::net::{TrustedPeer, TrustedPeers};
use crate::relay;

/// A configuration in which everything means something.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// What the library is told.
    pub roles: roles::Config,
    /// Where to listen for SIP over UDP.
    pub sip_udp: Option<SocketAddr>,
    /// Where to listen for SIP over TCP.
    pub sip_tcp: Option<SocketAddr>,
    /// Where to listen for MSRP over TCP.
    pub msrp_tcp: SocketAddr,
    /// The relay, if there is to be one.
    pub relay: Option<relay::Settings>,
    /// Where to listen for XCAP over HTTP.
    pub xcap_http: Option<SocketAddr>,
    /// Who belongs to the trust domain.
    pub trusted: TrustedPeers,
    /// Whose word is taken for who makes an XCAP request.
    pub xcap_proxies: TrustedPeers,
    /// The database.
    pub store: PathBuf,
    /// What is written beside.
    pub sinks: Sinks,
    /// What the configuration leaves at a default that this server does not meet yet, for the operator.
    pub notices: Vec<&'static str>,
}

/// Files that are written beside the store.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Sinks {
    /// Events.
    pub events: Option<PathBuf>,
    /// A capture.
    pub pcapng: Option<PathBuf>,
    /// A sequence diagram.
    pub ladder: Option<PathBuf>,
}

/// A value that cannot be used, with its key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key}: {text}")]
#[non_exhaustive]
pub struct PlanError {
    /// The key, as in `listen.sip_udp` or `users[2].uri`.
    pub key: String,
    /// What is wrong with its value.
    pub text: String,
}

impl Plan {
    /// Reads meaning into a configuration.
    ///
    /// # Errors
    ///
    /// Fails at the first value that has none, or that asks for what this server does not do.
    pub fn new(config: &Config) -> Result<Self, PlanError> {
        refuse_what_is_not_there(config)?;
        let mut trusted = Vec::new();
        for (index, peer) in config.auth.trusted_peers.iter().enumerate() {
            let key = format!("auth.trusted_peers[{index}]");
            trusted.push(peer.parse::<TrustedPeer>().map_err(|error| wrong(&key, error))?);
        }
        let mut proxies = Vec::new();
        for (index, proxy) in config.xcap.trusted_proxies.iter().enumerate() {
            let key = format!("xcap.trusted_proxies[{index}]");
            proxies.push(proxy.parse::<TrustedPeer>().map_err(|error| wrong(&key, error))?);
        }
        let mut notices = Vec::new();
        if !config.policy.peer_to_peer {
            notices.push(
                "policy.peer_to_peer: sessions of two go straight from client to client; this server does not carry their media yet",
            );
        }
        let mut plan = Self {
            notices,
            roles: roles(config)?,
            sip_udp: address("listen.sip_udp", &config.listen.sip_udp)?,
            sip_tcp: address("listen.sip_tcp", &config.listen.sip_tcp)?,
            msrp_tcp: address("listen.msrp_tcp", &config.listen.msrp_tcp)?
                .ok_or_else(|| wrong("listen.msrp_tcp", "is needed for sessions"))?,
            relay: relay(config)?,
            xcap_http: address("listen.xcap_http", &config.listen.xcap_http)?,
            trusted: TrustedPeers::new(trusted),
            xcap_proxies: TrustedPeers::new(proxies),
            store: PathBuf::from(&config.store.path),
            sinks: Sinks {
                events: file(&config.events.file),
                pcapng: file(&config.trace.pcapng),
                ladder: file(&config.trace.ladder),
            },
        };
        if plan.sip_udp.is_none() && plan.sip_tcp.is_none() {
            return Err(wrong(
                "listen.sip_tcp",
                "SIP needs one listener, sip_udp or sip_tcp",
            ));
        }
        if plan.store.as_os_str().is_empty() {
            return Err(wrong("store.path", "is needed"));
        }
        for (index, route) in plan
            .roles
            .routes
            .iter()
            .enumerate()
            .filter(|(_, route)| route.trusted)
        {
            let key = format!("routes[{index}].next_hop");
            let hops = (route.next_hop.host.as_str(), route.next_hop.port).to_socket_addrs();
            for hop in hops.map_err(|error| wrong(&key, error))? {
                plan.trusted.trust_hop(hop);
            }
        }
        Ok(plan)
    }
}

/// The relay: over TCP where that is asked for, and where WebSocket is, since the peers of clients in browsers need it.
fn relay(config: &Config) -> Result<Option<relay::Settings>, PlanError> {
    let listen = &config.listen;
    let websocket = address("listen.msrp_ws", &listen.msrp_ws)?;
    let tcp = address("listen.msrp_relay", &listen.msrp_relay)?;
    let Some(tcp) = tcp.or(websocket.map(|websocket| SocketAddr::new(websocket.ip(), 0))) else {
        return Ok(None);
    };
    let realm = config.auth.realm.as_ref().unwrap_or(&config.domain);
    let mut relay = relay::Settings::new(tcp, realm);
    relay.websocket = websocket;
    relay.host = Some(listen.msrp_relay_host.clone()).filter(|host| !host.is_empty());
    relay.names = vec![config.domain.clone(), format!(".{}", config.domain)];
    for (index, user) in config.users.iter().enumerate() {
        let uri = uri(&format!("users[{index}].uri"), &user.uri)?;
        // Without a password nobody could tell who it is.
        if let (Some(name), false) = (uri.user(), user.password.is_empty()) {
            let host = uri.host().unwrap_or_default();
            relay
                .passwords
                .insert(format!("{name}@{host}"), user.password.clone());
            if host.eq_ignore_ascii_case(&config.domain) {
                relay.passwords.insert(name.to_owned(), user.password.clone());
            }
        }
    }
    Ok(Some(relay))
}

fn roles(config: &Config) -> Result<roles::Config, PlanError> {
    let mut roles = roles::Config::new(&config.domain).map_err(|error| wrong("domain", error))?;
    if let Some(realm) = &config.auth.realm {
        roles.realm.clone_from(realm);
    }
    roles.authenticate = config.auth.mode == Mode::Digest;
    let services = [
        (
            "services.conference_factory",
            &config.services.conference_factory,
            &mut roles.conference_factory,
        ),
        (
            "services.exploder",
            &config.services.exploder,
            &mut roles.exploder,
        ),
        (
            "services.deferred",
            &config.services.deferred,
            &mut roles.deferred,
        ),
        ("services.history", &config.services.history, &mut roles.history),
        (
            "services.presence",
            &config.services.presence,
            &mut roles.presence_function,
        ),
    ];
    for (key, text, place) in services {
        if let Some(text) = text {
            *place = uri(key, text)?;
        }
    }
    for (index, user) in config.users.iter().enumerate() {
        let mut served = roles::User::new(
            uri(&format!("users[{index}].uri"), &user.uri)?,
            user.password.clone(),
        );
        served.aliases = uris(&format!("users[{index}].aliases"), &user.aliases)?;
        roles.users.push(served);
    }
    for (index, group) in config.groups.iter().enumerate() {
        let key = format!("groups[{index}]");
        let kind = match group.kind {
            Kind::Chat => roles::GroupKind::Chat,
            Kind::Prearranged => roles::GroupKind::Prearranged,
        };
        let mut defined = roles::GroupConfig::new(uri(&format!("{key}.uri"), &group.uri)?, kind);
        if !group.owner.is_empty() {
            defined.owner = Some(uri(&format!("{key}.owner"), &group.owner)?);
        }
        defined.members = uris(&format!("{key}.members"), &group.members)?;
        defined.allow_anonymity = group.allow_anonymity;
        defined.allow_private = group.allow_private;
        defined.allow_expel = group.allow_expel;
        roles.groups.push(defined);
    }
    for (index, route) in config.routes.iter().enumerate() {
        let hop = next_hop(&format!("routes[{index}].next_hop"), &route.next_hop)?;
        roles
            .routes
            .push(roles::Route::new(route.domain.clone(), hop, route.trusted));
    }
    if !config.core.outbound.is_empty() {
        roles.outbound = Some(next_hop("core.outbound", &config.core.outbound)?);
    }
    if !(400..700).contains(&config.policy.polite_block) {
        return Err(wrong(
            "policy.polite_block",
            "must be a final response that refuses, 400 to 699",
        ));
    }
    roles.polite_block = config.policy.polite_block;
    roles.push_deferred = config.policy.push_deferred;
    roles.presence = config.functions.presence == LOCAL;
    roles.presence_default = match config.policy.presence_default {
        Watching::Allow => SubHandling::Allow,
        Watching::Confirm => SubHandling::Confirm,
        Watching::PoliteBlock => SubHandling::PoliteBlock,
        Watching::Block => SubHandling::Block,
    };
    limits(&config.limits, &mut roles.limits);
    Ok(roles)
}

fn limits(from: &Limits, to: &mut roles::Limits) {
    to.max_message_size = from.max_message_size;
    to.max_adhoc_group_size = from.max_adhoc_group_size;
    to.max_deferred_per_user = from.max_deferred_per_user;
    to.max_deferred_octets = from.deferred_octets;
    to.deferred_max_age = Duration::from_secs(from.deferred_max_age_s);
    to.notify_interval = Duration::from_millis(from.notify_interval_ms);
    to.chunk_timer = Duration::from_secs(from.chunk_timer_s);
    to.session_expires = Duration::from_secs(from.session_expires_s);
}

fn refuse_what_is_not_there(config: &Config) -> Result<(), PlanError> {
    let Config {
        listen, functions, ..
    } = config;
    let defaults = Limits::default();
    let asked = [
        ("listen.sip_tls", !listen.sip_tls.is_empty()),
        ("listen.msrp_tls", !listen.msrp_tls.is_empty()),
        ("listen.sip_ws", !listen.sip_ws.is_empty()),
        ("listen.admin_http", !listen.admin_http.is_empty()),
        ("core.served_user", config.core.served_user != "p-served-user"),
        ("functions.participating", functions.participating != LOCAL),
        ("functions.controlling", functions.controlling != LOCAL),
        ("functions.deferred", functions.deferred != LOCAL),
        ("functions.history", functions.history != LOCAL),
        (
            "functions.presence",
            functions.presence != LOCAL && functions.presence != NONE,
        ),
        ("policy.aggregate_imdn_s", config.policy.aggregate_imdn_s != 0),
        ("charging.file", !config.charging.file.is_empty()),
        ("charging.online", config.charging.online != Online::Grant),
        ("intercept.file", !config.intercept.file.is_empty()),
        ("intercept.targets", !config.intercept.targets.is_empty()),
        (
            "limits.history_octets",
            config.limits.history_octets != defaults.history_octets,
        ),
    ];
    match asked.into_iter().find(|(_, asked)| *asked) {
        Some((key, _)) => Err(wrong(key, "this server does not offer this yet")),
        None => Ok(()),
    }
}

fn address(key: &str, text: &str) -> Result<Option<SocketAddr>, PlanError> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut found = text.to_socket_addrs().map_err(|error| wrong(key, error))?;
    found.next().map(Some).ok_or_else(|| wrong(key, "has no address"))
}

/// `host:port`, with `;transport=` `udp` or `tcp` behind it if need be.
fn next_hop(key: &str, text: &str) -> Result<roles::NextHop, PlanError> {
    let form = || {
        wrong(
            key,
            "expected host:port, host:port;transport=udp or host:port;transport=tcp",
        )
    };
    let (place, transport) = match text.split_once(';') {
        None => (text, Transport::Udp),
        Some((place, "transport=udp")) => (place, Transport::Udp),
        Some((place, "transport=tcp")) => (place, Transport::Tcp),
        Some(_) => return Err(form()),
    };
    let (host, port) = place.rsplit_once(':').ok_or_else(form)?;
    let port = port.parse().map_err(|_| form())?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() {
        return Err(form());
    }
    Ok(roles::NextHop::new(transport, host, port))
}

fn uris(key: &str, texts: &[String]) -> Result<Vec<Uri>, PlanError> {
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| uri(&format!("{key}[{index}]"), text))
        .collect()
}

fn uri(key: &str, text: &str) -> Result<Uri, PlanError> {
    Uri::parse(text).map_err(|error| wrong(key, error))
}

fn file(path: &str) -> Option<PathBuf> {
    (!path.is_empty()).then(|| PathBuf::from(path))
}

fn wrong(key: &str, text: impl std::fmt::Display) -> PlanError {
    PlanError {
        key: key.to_owned(),
        text: text.to_string(),
    }
}
