//! AUTH requests for this relay (RFC 4976 sections 5.1, 6.3 and 9.1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{first_of, uris};
use super::inbound::{Inbound, Paths};
use super::timer::Timer;
use super::token::TokenKey;
use super::transaction::Origin;
use super::{CloseReason, Effect, Event, LinkKey, Password, Peer, QuestionId, Relay};
use crate::codec::Head;
use crate::digest::{AuthenticationInfo, Challenge, Credentials, Ha1, Qop};
use crate::header::{Authorization, Expires};
use crate::{SessionId, StatusCode, TransactionId, Uri, UriRef};

/// An AUTH that is arriving, or waits for the host.
#[derive(Debug)]
pub(super) struct AuthRequest {
    transaction: TransactionId,
    origin: Arc<Origin>,
    /// What it comes to, as far as its head tells.
    outcome: Result<Asked, StatusCode>,
}

/// What a client wants.
#[derive(Debug)]
struct Asked {
    credentials: Option<Credentials>,
    expires: Option<u64>,
}

/// An AUTH that waits for the host to tell a password.
#[derive(Debug)]
pub(super) struct Question {
    link: LinkKey,
    transaction: TransactionId,
    origin: Arc<Origin>,
    credentials: Credentials,
    expires: Option<u64>,
    deadline: Instant,
}

impl Relay {
    /// The head of an AUTH has come whose only URI in `To-Path` should be this relay's.
    pub(super) fn auth_received(&mut self, key: LinkKey, head: &Head, paths: Paths<'_>) -> Inbound {
        let own = UriRef::parse(first_of(paths.to)).is_ok_and(|uri| self.config.is_own_name(uri.host()));
        if !own {
            self.close(key, CloseReason::NotAddressed);
            return Inbound::Skipped;
        }
        let link = self.links.get(&key);
        let secure = link.is_some_and(|link| link.nature.secure);
        let authorization = head.headers.get::<Authorization>();
        let expires = head.headers.get::<Expires>();
        let digest = |value: &str| {
            value
                .get(..6)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("Digest"))
        };
        let other_scheme = head
            .headers
            .value("Authorization")
            .is_some_and(|value| !digest(value));
        //= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
        //# Clients MUST NOT attempt to use Basic authentication, and relays
        //# MUST NOT request or accept Basic authentication.
        let authorization = if other_scheme { Ok(None) } else { authorization };
        let outcome = match (authorization, expires) {
            _ if head.defect.is_some() => Err(StatusCode::BAD_REQUEST),
            //= https://www.rfc-editor.org/rfc/rfc4976#section-8
            //# Note that AUTH requests MUST only be
            //# sent over a TLS-protected channel.
            _ if !secure && !self.config.plain_auth => Err(StatusCode::FORBIDDEN),
            (Ok(authorization), Ok(expires)) => Ok(Asked {
                credentials: authorization.map(|authorization| authorization.0),
                expires: expires.map(|expires| expires.0),
            }),
            _ => Err(StatusCode::BAD_REQUEST),
        };
        Inbound::Auth(Box::new(AuthRequest {
            transaction: head.transaction,
            origin: self.origin(key, paths),
            outcome,
        }))
    }

    /// An AUTH is here.
    pub(super) fn auth_ended(&mut self, key: LinkKey, request: AuthRequest, now: Instant) {
        let AuthRequest {
            transaction,
            origin,
            outcome,
        } = request;
        let asked = match outcome {
            Ok(asked) => asked,
            Err(status) => return self.refuse_auth(key, &origin, &transaction, status),
        };
        let Some(link) = self.links.get(&key) else {
            return;
        };
        if let Peer::User(user) = &link.nature.peer {
            // Whoever is there was authenticated before (RFC 7977 section 5.3.1).
            let user = user.clone();
            return self.grant(key, &origin, &transaction, asked.expires, &user, None, now);
        }
        //= https://www.rfc-editor.org/rfc/rfc4976#section-5.1
        //# In response to an AUTH request
        //# that does not contain an Authorization header, a relay MUST respond
        //# with a "401 Unauthorized" response containing a WWW-Authenticate
        //# header.
        let Some(credentials) = asked.credentials else {
            return self.challenge(&origin, &transaction, false, now);
        };
        let algorithm = credentials.algorithm.unwrap_or_default();
        let usable = credentials.realm == self.config.realm
            && credentials.qop == Some(Qop::Auth)
            && credentials.nc.is_some()
            && !algorithm.is_session()
            && self.config.algorithms.contains(&algorithm);
        if !usable {
            return self.credentials_refused(key, &origin, &transaction, credentials.username, now);
        }
        let limits = self.config.limits;
        if self.questions.len() >= limits.auths || link.auths >= limits.auths_per_connection {
            return self.answer_whole(&origin, &transaction, StatusCode::REQUEST_TIMEOUT);
        }
        let id = QuestionId(self.number());
        let deadline = now + self.config.password_timeout;
        self.effects.push_back(Effect::FindPassword {
            id,
            username: credentials.username.clone(),
            realm: self.config.realm.clone(),
            algorithm,
        });
        self.deadlines.insert((deadline, Timer::Question(id)));
        if let Some(link) = self.links.get_mut(&key) {
            link.auths = link.auths.saturating_add(1);
        }
        self.questions.insert(
            id,
            Question {
                link: key,
                transaction,
                origin,
                credentials,
                expires: asked.expires,
                deadline,
            },
        );
    }

    fn take_question(&mut self, id: QuestionId) -> Option<Question> {
        let question = self.questions.remove(&id)?;
        self.deadlines.remove(&(question.deadline, Timer::Question(id)));
        if let Some(link) = self.links.get_mut(&question.link) {
            link.auths = link.auths.saturating_sub(1);
        }
        Some(question)
    }

    /// The host has not answered in time.
    pub(super) fn question_due(&mut self, id: QuestionId) {
        if let Some(question) = self.take_question(id) {
            self.answer_whole(
                &question.origin,
                &question.transaction,
                StatusCode::REQUEST_TIMEOUT,
            );
        }
    }

    pub(super) fn password_told(&mut self, id: QuestionId, password: Password, now: Instant) {
        let Some(question) = self.take_question(id) else {
            return;
        };
        let Question {
            link,
            transaction,
            origin,
            credentials,
            expires,
            ..
        } = question;
        if !self.links.contains_key(&link) {
            return;
        }
        let (ha1, allowed) = match password {
            Password::Known(ha1) => (Some(ha1), true),
            Password::Forbidden(ha1) => (Some(ha1), false),
            Password::Unknown => (None, false),
        };
        //= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
        //# The request-URI to be used in calculating H(A2) is the rightmost
        //# URI in the To-Path header.
        let uri = origin.own.clone();
        let ha1 = ha1.filter(|ha1| credentials.verify_uri(ha1, "AUTH", &uri, b""));
        let Some(ha1) = ha1 else {
            return self.credentials_refused(link, &origin, &transaction, credentials.username, now);
        };
        let fresh = self
            .nonces
            .recognise(&credentials.nonce)
            .filter(|nonce| self.nonces.is_fresh(*nonce, now));
        let count = credentials.nc.unwrap_or_default();
        let accepted = fresh.is_some_and(|nonce| self.nonces.accept(nonce, count, now));
        if !accepted {
            return self.challenge(&origin, &transaction, true, now);
        }
        if !allowed {
            //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
            //# If the
            //# client is not authorized, the relay returns a 403 response.
            return self.refuse_auth(link, &origin, &transaction, StatusCode::FORBIDDEN);
        }
        let proof = Some((&credentials, &ha1));
        self.grant(
            link,
            &origin,
            &transaction,
            expires,
            &credentials.username,
            proof,
            now,
        );
    }

    fn challenge(&mut self, origin: &Origin, transaction: &TransactionId, stale: bool, now: Instant) {
        let nonce = self.nonces.mint(&mut self.entropy, now);
        let challenges: Vec<String> = self
            .config
            .algorithms
            .iter()
            .filter(|algorithm| {
                //= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
                //# consequently, MSRP
                //# relays MUST NOT send challenges indicating the MD5-sess algorithm.
                !algorithm.is_session()
            })
            .map(|algorithm| {
                //= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
                //# Clients and relays MUST include a qop parameter in all "WWW-
                //# Authenticate" and "Authorization" headers.
                let mut challenge = Challenge::new(&self.config.realm, &nonce, *algorithm);
                challenge.opaque = Some(self.opaque.clone());
                challenge.stale = stale;
                challenge.to_string()
            })
            .collect();
        let headers: Vec<(&str, &str)> = challenges
            .iter()
            .map(|challenge| ("WWW-Authenticate", challenge.as_str()))
            .collect();
        let (to, from) = (&origin.from_path, &origin.own);
        let octets = self.response(transaction, StatusCode::UNAUTHORIZED, to, from, &headers);
        self.push_own(origin.link, octets);
    }

    fn credentials_refused(
        &mut self,
        key: LinkKey,
        origin: &Origin,
        transaction: &TransactionId,
        username: String,
        now: Instant,
    ) {
        self.challenge(origin, transaction, false, now);
        if let Some(connection) = self.links.get(&key).and_then(|link| link.connection) {
            self.events
                .push_back(Event::CredentialsRefused { connection, username });
        }
        self.auth_failed(key);
    }

    fn refuse_auth(
        &mut self,
        key: LinkKey,
        origin: &Origin,
        transaction: &TransactionId,
        status: StatusCode,
    ) {
        self.answer_whole(origin, transaction, status);
        self.auth_failed(key);
    }

    //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
    //# If a relay receives several unsuccessful AUTH requests from a client
    //# that is directly connected to it via TLS, the relay SHOULD terminate
    //# the corresponding connection.
    fn auth_failed(&mut self, key: LinkKey) {
        let most = self.config.failed_requests;
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        if matches!(link.nature.peer, Peer::Relay(_)) {
            return;
        }
        link.failed = link.failed.saturating_add(1);
        if link.failed >= most {
            self.close(key, CloseReason::FailedRequests);
        }
    }

    /// Hands out a URI.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the request or its sender"
    )]
    fn grant(
        &mut self,
        key: LinkKey,
        origin: &Origin,
        transaction: &TransactionId,
        expires: Option<u64>,
        username: &str,
        proof: Option<(&Credentials, &Ha1)>,
        now: Instant,
    ) {
        let (least, most) = (
            self.config.min_expires.as_secs(),
            self.config.max_expires.as_secs(),
        );
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
        //# If the
        //# client has requested a particular expiration time in an Expires
        //# header, the relay needs to check that the time is acceptable to it
        //# and, if not, return an error containing a Min-Expires or Max-Expires
        //# header, as appropriate.
        let bound = match expires {
            Some(expires) if expires < least => Some(("Min-Expires", least)),
            Some(expires) if expires > most => Some(("Max-Expires", most)),
            _ => None,
        };
        if let Some((name, seconds)) = bound {
            let (to, from) = (&origin.from_path, &origin.own);
            let value = seconds.to_string();
            let status = StatusCode::INTERVAL_OUT_OF_BOUNDS;
            let octets = self.response(transaction, status, to, from, &[(name, &value)]);
            return self.push_own(origin.link, octets);
        }
        let expires = expires.unwrap_or(self.config.default_expires.as_secs());
        let given = match self.hand_out(key, origin, Duration::from_secs(expires), now) {
            Ok(given) => given,
            Err(status) => return self.refuse_auth(key, origin, transaction, status),
        };
        //= https://www.rfc-editor.org/rfc/rfc4976#section-4.2
        //# The URIs in the Use-Path header are in the same order that the
        //# authenticating client uses them in a To-Path header.
        let before = uris(&origin.from_path).count().saturating_sub(1);
        let mut path: Vec<&str> = uris(&origin.from_path).take(before).collect();
        path.reverse();
        path.push(given.as_str());
        let path = path.join(" ");
        let expires = expires.to_string();
        let mut headers = vec![("Use-Path", path.as_str()), ("Expires", expires.as_str())];
        //= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
        //# Relays MUST include rspauth, cnonce, nc, and qop parameters in a
        //# "Authentication-Info" header for all "200 OK" responses to an AUTH
        //# request.
        let info = proof.map(|(credentials, ha1)| {
            let mut info = AuthenticationInfo::answering(credentials, ha1, &origin.own);
            info.nextnonce = Some(self.nonces.mint(&mut self.entropy, now));
            info.to_string()
        });
        if let Some(info) = &info {
            headers.insert(1, ("Authentication-Info", info));
        }
        let (to, from) = (&origin.from_path, &origin.own);
        let octets = self.response(transaction, StatusCode::OK, to, from, &headers);
        self.push_own(origin.link, octets);
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        link.succeeded = true;
        link.failed = 0;
        if let Some(connection) = link.connection {
            self.events.push_back(Event::UriGiven {
                connection,
                username: username.to_owned(),
                uri: given,
            });
        }
    }

    fn hand_out(
        &mut self,
        key: LinkKey,
        origin: &Origin,
        lifetime: Duration,
        now: Instant,
    ) -> Result<Uri, StatusCode> {
        let limits = self.config.limits;
        let client = Uri::parse(first_of(&origin.from_path)).map_err(|_| StatusCode::BAD_REQUEST)?;
        let holder = self.holder_for(key, &client).ok_or(StatusCode::FORBIDDEN)?;
        let link = self.links.get_mut(&key).ok_or(StatusCode::FORBIDDEN)?;
        if self.tokens.len() >= limits.uris || link.tokens.len() >= limits.uris_per_connection {
            return Err(StatusCode::FORBIDDEN);
        }
        let address = self
            .config
            .address_for(link.nature.secure)
            .ok_or(StatusCode::FORBIDDEN)?;
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
        //# The URI MUST
        //# contain at least 64 bits of cryptographically random material so that
        //# it is not guessable by attackers.
        let parts = [(); 2].map(|()| SessionId::random(&mut self.entropy));
        let id = parts.map(|part| part.as_str().to_owned()).concat();
        let id = SessionId::new(&id).map_err(|_| StatusCode::FORBIDDEN)?;
        let uri = Uri::new(address.secure, &address.host, address.port, Some(&id), "tcp")
            .map_err(|_| StatusCode::FORBIDDEN)?;
        let token = TokenKey(self.number());
        //= https://www.rfc-editor.org/rfc/rfc4976#section-6.3
        //# If the AUTH request contains an Expires header, the relay MUST ensure
        //# that the URI is invalidated after the expiry time.
        let expires = now + lifetime;
        if matches!(holder, super::token::Holder::Link(_))
            && let Some(link) = self.links.get_mut(&key)
        {
            link.tokens.push(token);
        }
        self.tokens.insert(token, uri.clone(), holder, client, expires);
        self.deadlines.insert((expires, Timer::Token(token)));
        Ok(uri)
    }
}
