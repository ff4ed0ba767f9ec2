//! The client's side: answers to challenges, and credentials ahead of the next one.

use core::fmt;

use thiserror::Error;

use crate::Entropy;
use crate::Method;
use crate::StatusCode;
use crate::digest::{Challenge, Credentials, Ha1};
use crate::endpoint::random_hex;
use crate::error::BuildError;
use crate::header::{
    self, Authorization, CSeq, HeaderName, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate,
};
use crate::message::{Request, Response};
use crate::uri::Identity;

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// The response is no challenge.
    #[error("the response is no challenge")]
    NoChallenge,
    /// No challenge in the response is for the realm that the password belongs to, in an algorithm that is known.
    #[error("no challenge is for the realm of the password")]
    OtherRealm,
    /// The credentials were sent and refused.
    #[error("the credentials were refused")]
    Refused,
    /// The request can't be changed.
    #[error("the request can't carry credentials: {0}")]
    Build(#[from] BuildError),
}

/// Answers challenges with a user's passwords, each within its own realm.
///
/// Without a realm given, the realm of the first challenge becomes the one; no other is answered afterwards, so that nobody further
/// away can ask for an answer that he could use elsewhere.
pub struct Authentication {
    accounts: Vec<Account>,
    entropy: Entropy,
    known: Vec<Known>,
}

/// A name and a password, and the realm that they are for if that is known.
struct Account {
    realm: Option<String>,
    username: String,
    password: String,
}

/// A challenge in use, and how often it was answered.
#[derive(Clone, Debug)]
struct Known {
    side: Side,
    /// Whom the request was for that a server has challenged; nobody for a proxy, which challenges what is for anybody.
    destination: Option<Identity>,
    challenge: Challenge,
    count: u32,
    /// One for each nonce, since the session of a `-sess` algorithm is named by the first.
    cnonce: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Server,
    Proxy,
}

impl Authentication {
    /// Takes a user's name and password, and the realm that they are for if that is known.
    pub fn new(
        username: impl Into<String>,
        password: impl Into<String>,
        realm: Option<String>,
        entropy: Entropy,
    ) -> Self {
        let account = Account {
            realm,
            username: username.into(),
            password: password.into(),
        };
        Self {
            accounts: vec![account],
            entropy,
            known: Vec::new(),
        }
    }

    /// Takes the name and password for one realm more, such as that of a visited network's proxy.
    #[must_use]
    pub fn with_account(
        mut self,
        realm: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.accounts.push(Account {
            realm: Some(realm.into()),
            username: username.into(),
            password: password.into(),
        });
        self
    }

    /// Makes the request that answers a 401 or 407: the same again, with credentials for each realm that asks for them and whose
    /// password is known, and the next sequence number.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-22.3
    //# When resubmitting its request in response to a 401 (Unauthorized) or
    //# 407 (Proxy Authentication Required) that contains multiple
    //# challenges, a UAC MAY include an Authorization value for each WWW-
    //# Authenticate value and a Proxy-Authorization value for each Proxy-
    //# Authenticate value for which the UAC wishes to supply a credential.
    ///
    /// # Errors
    ///
    /// Fails when the response is no challenge for a realm whose password is known, or when it refuses the credentials of the request.
    pub fn answer(&mut self, request: &Request, response: &Response) -> Result<Request, AuthenticationError> {
        if !matches!(
            response.status(),
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        ) {
            return Err(AuthenticationError::NoChallenge);
        }
        let chosen = self.choose(response);
        if chosen.is_empty() {
            return Err(AuthenticationError::OtherRealm);
        }
        let mut answerable = false;
        for (side, challenge) in chosen {
            if self.is_refusal(side, request, &challenge) {
                continue;
            }
            answerable = true;
            self.learn(side, request, challenge);
        }
        if !answerable {
            return Err(AuthenticationError::Refused);
        }
        let mut again = request.clone();
        //= https://www.rfc-editor.org/rfc/rfc3261#section-22.2
        //# When a UAC resubmits a request with its credentials after receiving a
        //# 401 (Unauthorized) or 407 (Proxy Authentication Required) response,
        //# it MUST increment the CSeq header field value as it would normally
        //# when sending an updated request.
        if let Ok(Some(cseq)) = again.headers().get::<CSeq>() {
            again
                .headers_mut()
                .set_typed(&CSeq::new(cseq.seq.saturating_add(1), cseq.method))?;
        }
        self.authorize(&mut again);
        Ok(again)
    }

    /// Adds credentials for the challenges known, so that nobody need ask again: those of proxies to every request, that of a server
    /// to what goes to whom it has challenged for.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-22.2
    //# UAs SHOULD cache the credentials for a given value of the To header
    //# field and "realm" and attempt to re-use these values on the next
    //# request for that destination.
    pub fn authorize(&mut self, request: &mut Request) {
        let destination = destination(request);
        for (side, name) in [
            (Side::Server, HeaderName::AUTHORIZATION),
            (Side::Proxy, HeaderName::PROXY_AUTHORIZATION),
        ] {
            let values: Vec<Credentials> = (0..self.known.len())
                .filter_map(|at| {
                    let known = self.known.get(at)?;
                    let applies =
                        known.side == side && (side == Side::Proxy || known.destination == destination);
                    applies.then(|| self.credentials(at, request)).flatten()
                })
                .collect();
            if values.is_empty() {
                continue;
            }
            request.headers_mut().remove_values(&name, |value| {
                Credentials::parse(value).is_ok_and(|old| values.iter().any(|new| new.realm == old.realm))
            });
            for value in values {
                // What was read from a challenge can be written.
                let _ = match side {
                    Side::Server => request.headers_mut().push_typed(&Authorization::digest_of(value)),
                    Side::Proxy => request
                        .headers_mut()
                        .push_typed(&ProxyAuthorization::digest_of(value)),
                };
            }
        }
    }

    /// Takes a response to a request that had credentials: the server may say which nonce is next.
    ///
    //= https://www.rfc-editor.org/rfc/rfc7616#section-3.5
    //# If the nextnonce field is present, the client
    //# SHOULD use it when constructing the Authorization header field for
    //# its next request.
    pub fn note(&mut self, request: &Request, response: &Response) {
        let headers = response.headers();
        let server = headers.get::<header::AuthenticationInfo>().ok().flatten();
        let proxy = headers.get::<header::ProxyAuthenticationInfo>().ok().flatten();
        let destination = destination(request);
        let nexts = [
            (Side::Server, server.and_then(|info| info.get("nextnonce"))),
            (Side::Proxy, proxy.and_then(|info| info.get("nextnonce"))),
        ];
        for (side, next) in nexts {
            let Some(next) = next else { continue };
            let mut those = self.known.iter_mut().filter(|known| {
                known.side == side && (side == Side::Proxy || known.destination == destination)
            });
            // With several it is not said whose nonce it is.
            if let (Some(known), None) = (those.next(), those.next()) {
                known.challenge.nonce = next;
                known.count = 0;
                known.cnonce.clear();
            }
        }
    }

    /// Gives an ACK the credentials of the INVITE whose 2xx it acknowledges.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-22.1
    //# UACs creating an ACK message
    //# will duplicate all of the Authorization and Proxy-Authorization
    //# header field values that appeared in the INVITE to which the ACK
    //# corresponds.
    pub fn repeat(&self, invite: &Request, ack: &mut Request) {
        if *ack.method() != Method::Ack {
            return;
        }
        for name in [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION] {
            ack.headers_mut().remove(&name);
            for value in invite.headers().values(&name) {
                let _ = ack.headers_mut().push(&name, &value);
            }
        }
    }

    /// The challenges to answer, one for each side and realm.
    ///
    //= https://www.rfc-editor.org/rfc/rfc8760#section-2.4
    //# When the UAC receives a response with multiple WWW-Authenticate/
    //# Proxy-Authenticate header fields with the same realm, it SHOULD use
    //# the topmost header field that it supports unless a local policy
    //# dictates otherwise.  The client MUST ignore any challenge it does not
    //# understand.
    fn choose(&self, response: &Response) -> Vec<(Side, Challenge)> {
        let headers = response.headers();
        let server = headers.all::<WwwAuthenticate>().flatten();
        let server =
            server.filter_map(|one| one.digest().cloned().map(|challenge| (Side::Server, challenge)));
        let proxy = headers.all::<ProxyAuthenticate>().flatten();
        let proxy = proxy.filter_map(|one| one.digest().cloned().map(|challenge| (Side::Proxy, challenge)));
        let mut chosen: Vec<(Side, Challenge)> = Vec::new();
        for (side, challenge) in server.chain(proxy) {
            let is_first = !chosen
                .iter()
                .any(|(other, one)| *other == side && one.realm == challenge.realm);
            if is_first && self.account(&challenge.realm).is_some() && chosen.len() < MAX_KNOWN {
                chosen.push((side, challenge));
            }
        }
        // Whose realm is not known yet is the first that asks.
        if let Some((_, first)) = chosen.first()
            && self.accounts.iter().all(|account| account.realm.is_none())
        {
            let realm = first.realm.clone();
            chosen.retain(|(_, challenge)| challenge.realm == realm);
        }
        chosen
    }

    fn account(&self, realm: &str) -> Option<&Account> {
        let exactly = self
            .accounts
            .iter()
            .find(|account| account.realm.as_deref() == Some(realm));
        exactly.or_else(|| self.accounts.iter().find(|account| account.realm.is_none()))
    }

    /// Whether a challenge refuses what the request has just been sent with.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-22.1
    //# A UAC MUST NOT re-attempt requests with the credentials
    //# that have just been rejected (though the request may be retried if
    //# the nonce was stale).
    fn is_refusal(&self, side: Side, request: &Request, challenge: &Challenge) -> bool {
        if challenge.stale {
            return false;
        }
        let Some(account) = self.account(&challenge.realm) else {
            return true;
        };
        let refused = |credentials: Option<&Credentials>| {
            credentials.is_some_and(|credentials| {
                // Credentials that were sent ahead may have been refused for their nonce by a server that does not say so.
                credentials.is_of(&account.username)
                    && credentials.realm == challenge.realm
                    && (credentials.nc.is_none_or(|count| count <= 1) || credentials.nonce == challenge.nonce)
            })
        };
        let headers = request.headers();
        match side {
            Side::Server => headers
                .all::<Authorization>()
                .flatten()
                .any(|one| refused(one.digest())),
            Side::Proxy => headers
                .all::<ProxyAuthorization>()
                .flatten()
                .any(|one| refused(one.digest())),
        }
    }

    fn learn(&mut self, side: Side, request: &Request, challenge: Challenge) {
        let is_named = self
            .accounts
            .iter()
            .any(|account| account.realm.as_ref() == Some(&challenge.realm));
        if !is_named && let Some(account) = self.accounts.iter_mut().find(|account| account.realm.is_none()) {
            account.realm = Some(challenge.realm.clone());
        }
        let destination = match side {
            Side::Server => destination(request),
            Side::Proxy => None,
        };
        self.known.retain(|known| {
            known.side != side || known.challenge.realm != challenge.realm || known.destination != destination
        });
        if self.known.len() >= MAX_KNOWN {
            self.known.remove(0);
        }
        self.known.push(Known {
            side,
            destination,
            challenge,
            count: 0,
            cnonce: String::new(),
        });
    }

    fn credentials(&mut self, at: usize, request: &Request) -> Option<Credentials> {
        let known = self.known.get_mut(at)?;
        let challenge = &known.challenge;
        let account = self
            .accounts
            .iter()
            .find(|account| account.realm.as_ref() == Some(&challenge.realm))?;
        //= https://www.rfc-editor.org/rfc/rfc7616#section-3.4
        //# The nc value is the
        //# hexadecimal count of the number of requests (including the current
        //# request) that the client has sent with the nonce value in this
        //# request.
        known.count = known.count.saturating_add(1);
        if known.cnonce.is_empty() || !challenge.algorithm.is_session() {
            known.cnonce = random_hex(&mut self.entropy, 8);
        }
        let ha1 = Ha1::of_password(
            challenge.algorithm,
            &account.username,
            &challenge.realm,
            &account.password,
        );
        let (method, uri) = (request.method().as_str(), request.uri().as_str());
        Some(challenge.answer(
            &account.username,
            &ha1,
            method,
            uri,
            &known.cnonce,
            known.count,
            request.body(),
        ))
    }
}

/// Whom a request is for.
fn destination(request: &Request) -> Option<Identity> {
    request.to().ok().map(|to| to.uri().identity())
}

/// Challenges that are remembered; beyond, the oldest is forgotten, and asked again.
const MAX_KNOWN: usize = 16;

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("accounts", &self.accounts.len())
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}
