//! Who sends a request: the one place where that is established.

use std::time::Instant;

use sip_im::auth::Verdict;
use sip_im::digest::{Algorithm, Credentials};
use sip_im::header::{
    Authorization, From, HeaderName, PAssertedIdentity, PServedUser, ProxyAuthenticate, ProxyAuthorization,
    To, WwwAuthenticate,
};
use sip_im::identity::{self, Originator, PrivacyError, Trust};
use sip_im::{Identity, Method, Request, Response, StatusCode, Uri};

use super::Node;
use crate::ServiceWarning;
use crate::message;
use crate::signal::SessionCase;

/// Whom a request comes from.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) originator: Originator,
    /// The user of this server who it is, if it is one.
    pub(super) user: Option<Identity>,
    pub(super) case: SessionCase,
}

/// Why a request is not taken in.
#[derive(Debug)]
pub(super) enum Rejection {
    /// It is answered with more than a status: credentials are asked for, or the reason names what is not provided.
    Answer(Box<Response>),
    /// It is refused.
    Refusal(StatusCode, Option<ServiceWarning>),
}

impl Node {
    /// Establishes the sender, and puts into the request what the servers of the trust domain are to believe.
    pub(super) fn identify(
        &mut self,
        request: &mut Request,
        trusted: bool,
        now: Instant,
    ) -> Result<Sender, Rejection> {
        if trusted {
            return self.believe(request);
        }
        //= https://www.rfc-editor.org/rfc/rfc3325#section-5
        //# If the proxy received the message from an element that it does
        //# not trust and there is a P-Asserted-Identity header present which
        //# contains a SIP or SIPS URI, the proxy MUST replace that SIP or SIPS
        //# URI with a single SIP or SIPS URI or remove this header field.
        let preferred = identity::preferred_identities(request);
        identity::cross_boundary(request, Trust::Untrusted, Trust::Trusted);
        if !self.config.authenticate {
            return Err(Rejection::Refusal(
                StatusCode::FORBIDDEN,
                Some(ServiceWarning::ServiceNotAuthorised),
            ));
        }
        let user = self.authenticated(request, now)?;
        self.check_from(request, &user)?;
        check_privacy(request)?;
        self.assert(request, user, &preferred)
    }

    fn believe(&mut self, request: &Request) -> Result<Sender, Rejection> {
        let originator = identity::asserted_identity(request, Trust::Trusted)
            .map_err(|_| Rejection::Refusal(StatusCode::BAD_REQUEST, None))?;
        // Inside a dialog the dialog itself says who it is.
        if originator.identities.is_empty()
            && message::to_tag(request).is_none()
            && *request.method() != Method::Options
        {
            let warning = Some(ServiceWarning::ServiceNotAuthorised);
            return Err(Rejection::Refusal(StatusCode::FORBIDDEN, warning));
        }
        let user = originator
            .identities
            .iter()
            .find_map(|uri| self.users.find(uri))
            .cloned();
        let served = request.headers().get::<PServedUser>().ok().flatten();
        let originating = served.is_some_and(|served| {
            served
                .session_case()
                .is_some_and(|case| case.eq_ignore_ascii_case("orig"))
        });
        let case = if user.is_some() && originating {
            SessionCase::Originating
        } else {
            SessionCase::Terminating
        };
        Ok(Sender {
            originator,
            user,
            case,
        })
    }

    /// The user whose credentials the request carries; asks for them if it has none, or none that hold.
    fn authenticated(&mut self, request: &mut Request, now: Instant) -> Result<Identity, Rejection> {
        let registers = *request.method() == Method::Register;
        let own = |credentials: &Credentials| credentials.realm == self.config.realm;
        let headers = request.headers();
        let credentials = if registers {
            headers
                .all::<Authorization>()
                .flatten()
                .find_map(|header| header.digest().filter(|one| own(one)).cloned())
        } else {
            headers
                .all::<ProxyAuthorization>()
                .flatten()
                .find_map(|header| header.digest().filter(|one| own(one)).cloned())
        };
        let Some(credentials) = credentials else {
            return Err(self.challenge(request, false, now));
        };
        let users = &self.users;
        let realm = &self.config.realm;
        let verdict = self.authenticator.check(
            request.method().as_str(),
            &credentials,
            |name, algorithm| users.ha1(realm, name, algorithm),
            request.body(),
            now,
        );
        match verdict {
            Verdict::Accepted { username } => {
                // Credentials for this realm are for this server alone; those for others go on to them.
                for name in [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION] {
                    request.headers_mut().remove_values(&name, |value| {
                        Credentials::parse(value).is_ok_and(|credentials| own(&credentials))
                    });
                }
                self.users
                    .authenticates_as(&username)
                    .cloned()
                    .ok_or(Rejection::Refusal(
                        StatusCode::FORBIDDEN,
                        Some(ServiceWarning::ServiceNotAuthorised),
                    ))
            }
            Verdict::Stale => Err(self.challenge(request, true, now)),
            _ => Err(self.challenge(request, false, now)),
        }
    }

    fn challenge(&mut self, request: &Request, stale: bool, now: Instant) -> Rejection {
        let registers = *request.method() == Method::Register;
        let status = if registers {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED
        };
        let mut response = request.response(status);
        let mut challenges = self.authenticator.challenges(stale, now);
        let agent = request
            .headers()
            .value(&HeaderName::USER_AGENT)
            .unwrap_or_default();
        let mut only_md5 = self.config.md5_only_agents.iter();
        if only_md5.any(|known| agent.starts_with(known.as_str()))
            && challenges
                .iter()
                .any(|challenge| challenge.algorithm == Algorithm::Md5)
        {
            challenges.retain(|challenge| challenge.algorithm == Algorithm::Md5);
        }
        for challenge in challenges {
            response = if registers {
                response.header_typed(&WwwAuthenticate::digest_of(challenge))
            } else {
                response.header_typed(&ProxyAuthenticate::digest_of(challenge))
            };
        }
        match response.build() {
            Ok(response) => Rejection::Answer(Box::new(response)),
            Err(_) => Rejection::Refusal(StatusCode::BAD_REQUEST, None),
        }
    }

    /// A user writes his own addresses, or none, into From (and To, of a REGISTER); never somebody else's.
    fn check_from(&self, request: &Request, user: &Identity) -> Result<(), Rejection> {
        let bad = || Rejection::Refusal(StatusCode::BAD_REQUEST, None);
        let from = request.headers().require::<From>().map_err(|_| bad())?;
        let owns = |uri: &Uri| self.users.fold(&uri.identity()) == *user;
        let allowed = if *request.method() == Method::Register {
            let to = request.headers().require::<To>().map_err(|_| bad())?;
            owns(to.uri()) && owns(from.uri())
        } else {
            // Inside a dialog From is what the dialog was made with, which may be a conference's word for the user.
            owns(from.uri()) || identity::is_anonymous_form(from.uri()) || message::to_tag(request).is_some()
        };
        if allowed {
            Ok(())
        } else {
            Err(Rejection::Refusal(
                StatusCode::FORBIDDEN,
                Some(ServiceWarning::ServiceNotAuthorised),
            ))
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc3325#section-5
    //# When a proxy receives a
    //# message from a node it does not trust and it wishes to add a P-
    //# Asserted-Identity header field, the proxy MUST authenticate the
    //# originator of the message, and use the identity which results from
    //# this authentication to insert a P-Asserted-Identity header field into
    //# the message.
    fn assert(
        &mut self,
        request: &mut Request,
        user: Identity,
        preferred: &[Uri],
    ) -> Result<Sender, Rejection> {
        let bad = || Rejection::Refusal(StatusCode::BAD_REQUEST, None);
        let known = self.users.get(&user).ok_or_else(bad)?;
        let mut originator = identity::asserted_by_authentication(request, &known.uri).map_err(|_| bad())?;
        if *request.method() != Method::Register {
            let valid: Vec<Uri> = core::iter::once(&known.uri)
                .chain(&known.aliases)
                .cloned()
                .collect();
            originator.identities = identity::identities_to_assert(&valid, preferred);
            for uri in &originator.identities {
                request
                    .headers_mut()
                    .push_typed(&PAssertedIdentity::new(uri.clone()))
                    .map_err(|_| bad())?;
            }
        }
        Ok(Sender {
            originator,
            user: Some(user),
            case: SessionCase::Originating,
        })
    }
}

/// Who would rather not send than be known by what nobody here hides is told so.
//= https://www.rfc-editor.org/rfc/rfc3323#section-5
//# If the
//# 'critical' privacy level is present in the Privacy header of a
//# request, then if the privacy service is incapable of performing all
//# of the levels of privacy specified in the Privacy header then it MUST
//# fail the request with a 500 (Server Error) response code.
fn check_privacy(request: &Request) -> Result<(), Rejection> {
    let Err(error @ PrivacyError::NotProvided(_)) = identity::check_privacy(request, &[]) else {
        return Ok(());
    };
    let refusal = request.response(error.status()).reason(&error.reason()).build();
    Err(match refusal {
        Ok(response) => Rejection::Answer(Box::new(response)),
        Err(_) => Rejection::Refusal(error.status(), None),
    })
}
