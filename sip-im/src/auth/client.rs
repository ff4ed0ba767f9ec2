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
    Authorization, CSeq, HeaderName, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate,
};
use crate::message::{Request, Response};

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

/// Answers challenges with one user's password, within one realm.
///
/// Without a realm given, the realm of the first challenge becomes the one; no other is answered afterwards, so that nobody further
/// away can ask for an answer that he could use elsewhere.
pub struct Authentication {
    username: String,
    password: String,
    realm: Option<String>,
    entropy: Entropy,
    server: Option<Known>,
    proxy: Option<Known>,
}

/// The challenge in use, and how often it was answered.
#[derive(Clone, Debug)]
struct Known {
    challenge: Challenge,
    count: u32,
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
        Self {
            username: username.into(),
            password: password.into(),
            realm,
            entropy,
            server: None,
            proxy: None,
        }
    }

    /// Makes the request that answers a 401 or 407: the same again, with credentials and the next sequence number.
    ///
    /// # Errors
    ///
    /// Fails when the response is no challenge for the realm, or when it refuses the credentials of the request.
    pub fn answer(&mut self, request: &Request, response: &Response) -> Result<Request, AuthenticationError> {
        let side = match response.status() {
            StatusCode::UNAUTHORIZED => Side::Server,
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Side::Proxy,
            _ => return Err(AuthenticationError::NoChallenge),
        };
        let challenge = self.choose(side, response)?;
        // The same password would be refused again; a nonce that was only too old is another matter.
        if !challenge.stale && self.carries(side, request, &challenge.realm) {
            return Err(AuthenticationError::Refused);
        }
        self.realm.get_or_insert_with(|| challenge.realm.clone());
        let known = Known { challenge, count: 0 };
        match side {
            Side::Server => self.server = Some(known),
            Side::Proxy => self.proxy = Some(known),
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

    /// Adds credentials for the challenges known, so that the server need not ask again.
    pub fn authorize(&mut self, request: &mut Request) {
        if let Some(value) = self.credentials(Side::Server, request) {
            let _ = request.headers_mut().set_typed(&Authorization::digest_of(value));
        }
        if let Some(value) = self.credentials(Side::Proxy, request) {
            let _ = request
                .headers_mut()
                .set_typed(&ProxyAuthorization::digest_of(value));
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

    /// The challenge to answer.
    ///
    //= https://www.rfc-editor.org/rfc/rfc8760#section-2.4
    //# When the UAC receives a response with multiple WWW-Authenticate/
    //# Proxy-Authenticate header fields with the same realm, it SHOULD use
    //# the topmost header field that it supports unless a local policy
    //# dictates otherwise.  The client MUST ignore any challenge it does not
    //# understand.
    fn choose(&self, side: Side, response: &Response) -> Result<Challenge, AuthenticationError> {
        let headers = response.headers();
        let digest = |challenge: Option<&Challenge>| challenge.cloned();
        let challenges: Vec<Challenge> = match side {
            Side::Server => headers
                .all::<WwwAuthenticate>()
                .flatten()
                .filter_map(|one| digest(one.digest()))
                .collect(),
            Side::Proxy => headers
                .all::<ProxyAuthenticate>()
                .flatten()
                .filter_map(|one| digest(one.digest()))
                .collect(),
        };
        challenges
            .into_iter()
            .find(|challenge| self.realm.as_ref().is_none_or(|realm| *realm == challenge.realm))
            .ok_or(AuthenticationError::OtherRealm)
    }

    fn carries(&self, side: Side, request: &Request, realm: &str) -> bool {
        let ours = |credentials: Option<&Credentials>| {
            credentials.is_some_and(|credentials| {
                credentials.username == self.username && credentials.realm == realm
            })
        };
        let headers = request.headers();
        match side {
            Side::Server => headers
                .all::<Authorization>()
                .flatten()
                .any(|one| ours(one.digest())),
            Side::Proxy => headers
                .all::<ProxyAuthorization>()
                .flatten()
                .any(|one| ours(one.digest())),
        }
    }

    fn credentials(&mut self, side: Side, request: &Request) -> Option<Credentials> {
        let known = match side {
            Side::Server => self.server.as_mut()?,
            Side::Proxy => self.proxy.as_mut()?,
        };
        //= https://www.rfc-editor.org/rfc/rfc7616#section-3.4
        //# The nc value is the
        //# hexadecimal count of the number of requests (including the current
        //# request) that the client has sent with the nonce value in this
        //# request.
        known.count = known.count.saturating_add(1);
        let challenge = &known.challenge;
        let ha1 = Ha1::of_password(
            challenge.algorithm,
            &self.username,
            &challenge.realm,
            &self.password,
        );
        let cnonce = random_hex(&mut self.entropy, 8);
        let (method, uri) = (request.method().as_str(), request.uri().as_str());
        Some(challenge.answer(
            &self.username,
            &ha1,
            method,
            uri,
            &cnonce,
            known.count,
            request.body(),
        ))
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}
