//! Which session a request belongs to, and whether it may use it (RFC 4975 sections 5.4 and 7.3).

use std::time::Instant;

use bytes::Bytes;

use super::session::{Link, Sender};
use super::{EndReason, Endpoint, Matching, Role, SessionKey};
use crate::codec::Head;
use crate::connection::report::path_lines;
use crate::header::{FromPath, PathRef};
use crate::tls::Fingerprint;
use crate::{ConnectionId, StatusCode, Uri, UriRef};

/// Whom a request is for, and the ways back to whoever sent it.
#[derive(Debug)]
pub(super) struct Addressed {
    /// The session, if there is one with the URI that the request is for.
    pub(super) session: Option<SessionKey>,
    /// Whether it is known to be right in every respect, since another like it was taken on this connection.
    known: bool,
    /// Whether its paths are not too long.
    pub(super) is_acceptable: bool,
    /// The path lines of the response to a SEND request.
    pub(super) response: Bytes,
    /// The path lines of what goes all the way back.
    pub(super) report: Bytes,
}

impl Endpoint {
    /// Finds whom a request is for; nobody if its paths cannot be read.
    pub(super) fn addressed(&self, id: ConnectionId, head: &Head) -> Option<Addressed> {
        let (to, from) = (head.headers.to_path().ok()?, head.headers.from_path().ok()?);
        // Chunk follows chunk from the same sender for the same session.
        let last = self.connections.get(&id)?.last;
        if let Some(key) = last
            && let Some(session) = self.sessions.get(&key)
            && let Some(sender) = &session.sender
            && is_written(to, std::slice::from_ref(&session.config.local))
            && is_written(
                from,
                sender.from.as_deref().unwrap_or(&session.config.remote_path),
            )
            && session.link.connection() == Some(id)
            && !session.closing
        {
            return Some(Addressed {
                session: last,
                known: true,
                is_acceptable: true,
                response: sender.response.clone(),
                report: sender.report.clone(),
            });
        }
        let own = to.first().to_uri();
        //= https://www.rfc-editor.org/rfc/rfc4975#section-7.3
        //# When the
        //# request is received, the To-Path will have exactly one URI, which
        //# MUST map to an existing session that is associated with the
        //# connection on which the request arrived.  If this is not true, then
        //# the receiver MUST generate a 481 error and ignore the request.
        let session = self.session_of(&own).filter(|_| to.len() == 1);
        let response = path_lines(&[from.first().to_uri()], &own);
        let report = if from.len() == 1 {
            response.clone()
        } else {
            path_lines(&from.uris().map(UriRef::to_uri).collect::<Vec<_>>(), &own)
        };
        Some(Addressed {
            session,
            known: false,
            is_acceptable: from.len() <= self.shared.config.limits.path,
            response,
            report,
        })
    }

    fn session_of(&self, own: &Uri) -> Option<SessionKey> {
        let key = *self.by_id.get(own.session_id()?)?;
        let session = self.sessions.get(&key)?;
        let is_it = match self.shared.config.matching {
            Matching::Uri => session.config.local.equivalent(own),
            Matching::SessionId => true,
        };
        is_it.then_some(key)
    }

    /// Says whether a session may be used by what came over a connection, and binds it to it if it is the first; gives the
    /// status to answer with where not.
    pub(super) fn accept_binding(
        &mut self,
        id: ConnectionId,
        addressed: &Addressed,
        head: &Head,
        now: Instant,
    ) -> Result<SessionKey, StatusCode> {
        let key = addressed.session.ok_or(StatusCode::NO_SESSION)?;
        if addressed.known {
            return Ok(key);
        }
        let config = &self.shared.config;
        let session = self.sessions.get_mut(&key).ok_or(StatusCode::NO_SESSION)?;
        let connection = self.connections.get(&id).ok_or(StatusCode::NO_SESSION)?;
        //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
        //# Connections using the "msrps" scheme MUST use TLS.
        if session.closing || (session.config.local.is_secure() && !connection.secure) {
            return Err(StatusCode::NO_SESSION);
        }
        match session.link {
            Link::Bound(own) | Link::Binding(own) if own == id => {}
            //= https://www.rfc-editor.org/rfc/rfc4975#section-5.4
            //# If the session is already in use, it MUST
            //# reject the request with a 506 response.
            Link::Bound(_) | Link::Binding(_) => return Err(StatusCode::SESSION_ALREADY_BOUND),
            // The peer that said that it would not connect has done so all the same.
            Link::Opening if session.config.role == Role::Actpass => {}
            Link::Awaited if session.config.role != Role::Active => {}
            Link::Awaited | Link::Opening => return Err(StatusCode::NO_SESSION),
        }
        let from = head.headers.require::<FromPath>();
        let from = from.map_err(|_| StatusCode::BAD_REQUEST)?.into_uris();
        let sender = from.last().ok_or(StatusCode::BAD_REQUEST)?;
        match session.config.remote_path.last() {
            Some(peer) if config.check_sender && !is_same(config.matching, peer, sender) => {
                return Err(StatusCode::NO_SESSION);
            }
            Some(_) => {}
            None => session.set_remote_path(from.clone()),
        }
        if !is_expected(&session.config.fingerprints, connection.certificate.as_deref()) {
            self.end_session(key, EndReason::WrongCertificate, now);
            return Err(StatusCode::FORBIDDEN);
        }
        // What is the same need not be kept twice.
        let shared = |lines: &Bytes| {
            if *lines == session.paths {
                session.paths.clone()
            } else {
                lines.clone()
            }
        };
        let (response, report) = (shared(&addressed.response), shared(&addressed.report));
        let is_told = from == session.config.remote_path;
        session.sender = Some(Box::new(Sender {
            from: (!is_told).then(|| from.into()),
            response,
            report,
        }));
        let binds = matches!(session.link, Link::Awaited | Link::Opening);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.last = Some(key);
        }
        if binds {
            self.bound(key, id, now);
        }
        Ok(key)
    }

    /// Notes whose certificate the peer of a connection has; sessions that expect another one end.
    pub(super) fn certified(&mut self, id: ConnectionId, fingerprints: Vec<Fingerprint>, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let is_wrong = |key: &SessionKey| {
            self.sessions
                .get(key)
                .is_some_and(|session| !is_expected(&session.config.fingerprints, Some(&fingerprints)))
        };
        let wrong: Vec<SessionKey> = connection.sessions.iter().copied().filter(is_wrong).collect();
        connection.certificate = Some(fingerprints);
        for key in wrong {
            self.end_session(key, EndReason::WrongCertificate, now);
        }
    }
}

fn is_same(matching: Matching, peer: &Uri, sender: &Uri) -> bool {
    match matching {
        Matching::Uri => peer.equivalent(sender),
        Matching::SessionId => peer.session_id().is_some() && peer.session_id() == sender.session_id(),
    }
}

/// Says whether a certificate may be that of a peer that has told these fingerprints.
fn is_expected(expected: &[Fingerprint], presented: Option<&[Fingerprint]>) -> bool {
    expected.is_empty() || presented.is_none_or(|presented| Fingerprint::matches(expected, presented))
}

/// Says whether a path is written like these URIs.
fn is_written(path: PathRef<'_>, uris: &[Uri]) -> bool {
    path.len() == uris.len()
        && path
            .uris()
            .zip(uris)
            .all(|(one, other)| one.is_written_like(other))
}
