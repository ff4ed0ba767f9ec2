//! The URIs that were handed out: the tokens of RFC 4976 section 9.4.

use std::collections::HashMap;
use std::time::Instant;

use super::LinkKey;
use crate::{Uri, UriRef};

/// Names a token; never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct TokenKey(pub(super) u64);

/// Where the client of a token is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Holder {
    /// On this connection and no other.
    Link(LinkKey),
    /// Behind a relay, on whichever connection to it.
    Relay(String),
}

/// A URI that was handed out.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) uri: Uri,
    pub(super) holder: Holder,
    /// The next hop back toward the client.
    pub(super) client: Uri,
    pub(super) expires: Instant,
    /// Where peers of the client are, as they wrote their URIs.
    routes: Vec<(Box<str>, LinkKey)>,
}

/// The URIs that were handed out.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    table: HashMap<TokenKey, Token>,
    by_id: HashMap<Box<str>, TokenKey>,
}

impl Tokens {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn insert(&mut self, key: TokenKey, uri: Uri, holder: Holder, client: Uri, expires: Instant) {
        let Some(id) = uri.session_id().map(Box::from) else {
            return;
        };
        self.by_id.insert(id, key);
        self.table.insert(
            key,
            Token {
                uri,
                holder,
                client,
                expires,
                routes: Vec::new(),
            },
        );
    }

    pub(super) fn remove(&mut self, key: TokenKey) -> Option<Token> {
        let token = self.table.remove(&key)?;
        if let Some(id) = token.uri.session_id() {
            self.by_id.remove(id);
        }
        Some(token)
    }

    /// Finds the token of a URI as it stands in a path. The usual spelling, the one that was handed out, costs no
    /// more than a comparison.
    pub(super) fn find(&self, text: &str) -> Option<(TokenKey, &Token)> {
        let key = *self.by_id.get(session_id(text)?)?;
        let token = self.table.get(&key)?;
        let same = token.uri.as_str() == text
            || UriRef::parse(text).is_ok_and(|uri| uri.equivalent(token.uri.as_uri_ref()));
        same.then_some((key, token))
    }

    /// Notes where a peer of a token's client is. One that is known is not displaced by another that claims its URI
    /// while `is_there` says that its connection is.
    pub(super) fn learn(
        &mut self,
        key: TokenKey,
        peer: &str,
        link: LinkKey,
        most: usize,
        is_there: impl Fn(LinkKey) -> bool,
    ) {
        let Some(token) = self.table.get_mut(&key) else {
            return;
        };
        let known = token.routes.iter_mut().find(|(own, _)| **own == *peer);
        if let Some((_, own)) = known {
            if *own != link && !is_there(*own) {
                *own = link;
            }
            return;
        }
        if token.routes.len() >= most {
            token.routes.retain(|(_, link)| is_there(*link));
        }
        if token.routes.len() < most {
            token.routes.push((peer.into(), link));
        }
    }
}

impl Token {
    /// Where a peer of the client was last.
    pub(super) fn route(&self, peer: &str) -> Option<LinkKey> {
        self.routes
            .iter()
            .find(|(own, _)| **own == *peer)
            .map(|(_, link)| *link)
    }

    /// Whether a hop is the one back toward the client: to whom the session there belongs is the client's to judge.
    pub(super) fn leads_to(&self, hop: &str) -> bool {
        hop == self.client.as_str()
            || UriRef::parse(hop).is_ok_and(|uri| {
                uri.is_secure() == self.client.is_secure()
                    && uri.port() == self.client.port()
                    && uri.host().eq_ignore_ascii_case(self.client.host())
            })
    }
}

/// The session identifier of a URI that need not be one.
fn session_id(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let (_, rest) = rest.split_once('/')?;
    let (id, _) = rest.split_once(';')?;
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "instants have no other beginning")]
    fn tokens() -> Tokens {
        let mut tokens = Tokens::default();
        let uri = Uri::parse("msrps://relay.example:2855/secret;tcp").unwrap();
        let client = Uri::parse("msrps://alice.example:7000/mine;tcp").unwrap();
        tokens.insert(TokenKey(1), uri, Holder::Link(LinkKey(1)), client, Instant::now());
        tokens
    }

    #[test]
    fn a_token_is_found_in_any_spelling_that_names_it() {
        let tokens = tokens();
        for text in [
            "msrps://relay.example:2855/secret;tcp",
            "msrps://alice@RELAY.example:2855/secret;tcp",
            "MSRPS://relay.example:2855/secret;TCP;x=y",
        ] {
            assert!(tokens.find(text).is_some(), "{text}");
        }
        for text in [
            "msrp://relay.example:2855/secret;tcp",
            "msrps://relay.example:2856/secret;tcp",
            "msrps://other.example:2855/secret;tcp",
            "msrps://relay.example:2855/Secret;tcp",
            "msrps://relay.example:2855/secret",
            "msrps://relay.example:2855;tcp",
            "secret",
            "",
        ] {
            assert!(tokens.find(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_way_back_is_told_by_the_hop_and_not_by_the_session() {
        let tokens = tokens();
        let (_, token) = tokens.find("msrps://relay.example:2855/secret;tcp").unwrap();
        assert!(token.leads_to("msrps://alice.example:7000/mine;tcp"));
        assert!(token.leads_to("msrps://alice.example:7000/another;tcp"));
        assert!(!token.leads_to("msrps://alice.example:7001/mine;tcp"));
        assert!(!token.leads_to("msrps://mallory.example:7000/mine;tcp"));
        assert!(!token.leads_to("alice"));
    }

    #[test]
    fn peers_that_are_there_are_not_displaced() {
        let mut tokens = tokens();
        let here = |link: LinkKey| link.0 < 10;
        let key = TokenKey(1);
        tokens.learn(key, "a", LinkKey(2), 2, here);
        tokens.learn(key, "a", LinkKey(3), 2, here);
        tokens.learn(key, "b", LinkKey(11), 2, here);
        tokens.learn(key, "c", LinkKey(4), 2, here);
        tokens.learn(key, "d", LinkKey(5), 2, here);
        let token = tokens.table.get(&key).unwrap();
        let routes = ["a", "b", "c", "d"].map(|peer| token.route(peer));
        assert_eq!(routes, [Some(LinkKey(2)), None, Some(LinkKey(4)), None]);
    }

    #[test]
    fn what_is_removed_is_not_found() {
        let mut tokens = tokens();
        assert!(tokens.remove(TokenKey(1)).is_some());
        assert!(tokens.find("msrps://relay.example:2855/secret;tcp").is_none());
        assert_eq!((tokens.len(), tokens.by_id.len()), (0, 0));
    }
}
