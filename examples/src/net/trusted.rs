//! Which peers belong to the trust domain (RFC 3325).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The peers that belong to the trust domain.
#[derive(Clone, Debug, Default)]
pub struct TrustedPeers {
    peers: Vec<TrustedPeer>,
    hops: Vec<SocketAddr>,
}

impl TrustedPeers {
    /// Trusts what comes from, and what is reached at, these peers.
    pub fn new(peers: Vec<TrustedPeer>) -> Self {
        Self {
            peers,
            hops: Vec::new(),
        }
    }

    /// Trusts a next hop: what is reached at this very address, and what comes from it.
    pub fn trust_hop(&mut self, hop: SocketAddr) {
        self.hops.push(hop);
    }

    /// Whether a peer that came to us is trusted.
    pub fn contains(&self, remote: SocketAddr) -> bool {
        let ip = remote.ip().to_canonical();
        self.hops.contains(&remote)
            || self
                .peers
                .iter()
                .any(|peer| peer.ip == ip && peer.port.is_none_or(|port| port == remote.port()))
    }

    /// Whether a peer that we went to is trusted.
    pub fn reached(&self, remote: SocketAddr) -> bool {
        self.contains(remote)
    }
}

/// A peer: `192.0.2.1`, `192.0.2.1:5060` or `[2001:db8::1]:5060`; without a port, whatever its port.
///
/// A v4-mapped IPv6 address is the IPv4 address it maps.
///
/// ```
/// use examples::net::{TrustedPeer, TrustedPeers};
/// let trusted = TrustedPeers::new(vec!["127.0.0.1".parse::<TrustedPeer>()?]);
/// assert!(trusted.contains("[::ffff:127.0.0.1]:5060".parse()?));
/// assert!(!trusted.contains("127.0.0.2:5060".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrustedPeer {
    ip: IpAddr,
    port: Option<u16>,
}

/// Text that is neither an IP address nor one with a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected an IP address, or one with a port")]
#[non_exhaustive]
pub struct TrustedPeerError;

impl FromStr for TrustedPeer {
    type Err = TrustedPeerError;

    fn from_str(text: &str) -> Result<Self, TrustedPeerError> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self {
                ip: ip.to_canonical(),
                port: None,
            });
        }
        let address: SocketAddr = text.parse().map_err(|_| TrustedPeerError)?;
        Ok(Self {
            ip: address.ip().to_canonical(),
            port: Some(address.port()),
        })
    }
}
