//! XCAP requests, until the XDM server has them: who makes them, by the same secrets as in SIP.

use std::time::Instant;

use sip_im::Identity;
use sip_im::auth::Verdict;
use sip_im::digest::Credentials;

use super::{Event, Node};
use crate::flow::Transmit;
use crate::xdms::{self, XcapId, XcapRequest, XcapResponse, Xdms};

impl Node {
    pub(super) fn take_xcap(&mut self, id: XcapId, request: XcapRequest, now: Instant) {
        if self.stopping {
            self.transmits.push_back(Transmit::Xcap {
                id,
                response: XcapResponse::status(503),
            });
            return;
        }
        match self.xcap_user(&request, now) {
            Ok(user) => {
                let owner = self.xdms.owner(&request).map(|owner| self.users.fold(&owner));
                //= https://www.rfc-editor.org/rfc/rfc4825#section-8
                //# If the URI refers to a user (identified by an XUI) that is
                //# not recognized by the
                //# server, it MUST reject the request with a 404 (Not Found).
                let is_user = owner
                    .as_ref()
                    .is_some_and(|owner| self.users.get(owner).is_some());
                if !Xdms::has_home(owner.as_ref(), &user, is_user) {
                    let response = XcapResponse::status(404);
                    self.transmits.push_back(Transmit::Xcap { id, response });
                    return;
                }
                self.xdms.handle_input(
                    xdms::Input::Request {
                        id,
                        request,
                        user,
                        owner,
                    },
                    now,
                );
            }
            Err(response) => self.transmits.push_back(Transmit::Xcap { id, response }),
        }
    }

    fn xcap_user(&mut self, request: &XcapRequest, now: Instant) -> Result<Identity, XcapResponse> {
        //= R-6.2-03
        if let Some(asserted) = &request.asserted {
            let uri = sip_im::Uri::parse(asserted).map_err(|_| XcapResponse::status(400))?;
            return Ok(self.users.fold(&uri.identity()));
        }
        let Some(authorization) = &request.authorization else {
            return Err(self.challenge_xcap(false, now));
        };
        let Ok(credentials) = Credentials::parse(authorization) else {
            return Err(XcapResponse::status(400));
        };
        //= https://www.rfc-editor.org/rfc/rfc7616#section-3.4.6
        //# The authenticating server MUST assure that the resource designated by
        //# the "uri" parameter is the same as the resource specified in the
        //# Request-Line; if they are not, the server SHOULD return a 400 Bad
        //# Request error.
        if credentials.uri.as_deref() != Some(request.target.as_str()) {
            return Err(XcapResponse::status(400));
        }
        let (users, realm) = (&self.users, &self.config.realm);
        let verdict = self.authenticator.check(
            &request.method,
            &credentials,
            |name, algorithm| users.ha1(realm, name, algorithm),
            &request.body,
            now,
        );
        match verdict {
            Verdict::Accepted { username } => self
                .users
                .authenticates_as(&username)
                .cloned()
                .ok_or_else(|| XcapResponse::status(403)),
            Verdict::Stale => Err(self.challenge_xcap(true, now)),
            _ => Err(self.challenge_xcap(false, now)),
        }
    }

    fn challenge_xcap(&mut self, stale: bool, now: Instant) -> XcapResponse {
        self.authenticator
            .challenges(stale, now)
            .iter()
            .fold(XcapResponse::status(401), |response, challenge| {
                response.with_header("WWW-Authenticate", challenge.to_string())
            })
    }

    pub(super) fn drain_xdms(&mut self, now: Instant) -> bool {
        let mut moved = false;
        while let Some(transmit) = self.xdms.poll_transmit(now) {
            moved = true;
            match transmit {
                xdms::Transmit::Response { id, response } => {
                    self.transmits.push_back(Transmit::Xcap { id, response });
                }
                xdms::Transmit::Claim { id, address } => {
                    let allowed = self.is_free(&address);
                    self.xdms.handle_input(xdms::Input::Claimed { id, allowed }, now);
                }
            }
        }
        while let Some(effect) = self.xdms.poll_effect() {
            moved = true;
            self.effects.push_back(effect);
        }
        while let Some(event) = self.xdms.poll_event() {
            if let xdms::Event::Changed { selector, .. } = &event
                && let Some(user) = &selector.user
                && self.presence.is_rules(&selector.auid)
            {
                self.presence.rules_changed(user, now);
                moved = true;
            }
            self.events.push_back(Event::Xdms(event));
        }
        moved
    }

    /// Whether a group may have an address: it lies in this domain, and is neither a user's nor a service's.
    fn is_free(&self, address: &Identity) -> bool {
        let services = [
            &self.config.deferred,
            &self.config.history,
            &self.config.presence_function,
        ];
        let Ok(uri) = sip_im::Uri::parse(address.as_str()) else {
            return false;
        };
        address.domain() == Some(self.config.domain.as_str())
            && self.users.find(&uri).is_none()
            && services.iter().all(|service| service.identity() != *address)
            && !self.controlling.serves(&uri)
    }
}
